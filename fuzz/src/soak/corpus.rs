//! Seeds: the frames of the golden sessions, uncompressed.

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;

use flate2::bufread::GzDecoder;
use serde_json::Value as Json;
use shardlane_wire::{Compression, Direction, Flags, FrameHeader, Opcode, Version};

/// Longer frames are left out: mutants of them are slow and mostly alike, in bytes.
const FRAME_LEN_MAX: usize = 2048;

/// At most this many frames of each opcode, so that rare ones are not drowned.
const FRAMES_PER_OPCODE_MAX: usize = 400;

/// Frames of real sessions, by direction.
#[derive(Debug, Default)]
pub struct Corpus {
    requests: Vec<Vec<u8>>,
    responses: Vec<Vec<u8>>,
}

impl Corpus {
    /// Loads all sessions of a folder.
    pub fn load(folder: &Path) -> Result<Self, Box<dyn Error>> {
        let mut paths: Vec<_> = fs::read_dir(folder)?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<_, std::io::Error>>()?;
        // The order of a folder is not the same everywhere, and iterations depend on it.
        paths.sort();
        let mut corpus = Self::default();
        let (mut seen, mut counts) = (HashSet::new(), HashMap::<Opcode, usize>::new());
        for path in paths {
            if path.extension().is_none_or(|extension| extension != "gz") {
                continue;
            }
            let packed = fs::read(&path)?;
            for line in BufReader::new(GzDecoder::new(&packed[..])).lines() {
                let (header, frame) = parse_frame(&line?).ok_or("malformed golden frame")?;
                let count = counts.entry(header.opcode).or_default();
                let body = frame[4..].to_vec();
                if frame.len() > FRAME_LEN_MAX
                    || *count >= FRAMES_PER_OPCODE_MAX
                    || !seen.insert(body)
                {
                    continue;
                }
                *count += 1;
                match header.direction() {
                    Direction::Request => corpus.requests.push(frame),
                    Direction::Response => corpus.responses.push(frame),
                }
            }
        }
        if corpus.requests.is_empty() || corpus.responses.is_empty() {
            return Err(format!("no golden frames in {}", folder.display()).into());
        }
        Ok(corpus)
    }

    /// The frames of one direction.
    pub fn frames(&self, direction: Direction) -> &[Vec<u8>] {
        match direction {
            Direction::Request => &self.requests,
            Direction::Response => &self.responses,
        }
    }

    /// Writes each frame to a file of its own, as libFuzzer wants its seeds.
    pub fn export(&self, folder: &Path) -> Result<(), Box<dyn Error>> {
        for (name, frames) in [
            ("request_stream", &self.requests),
            ("response_stream", &self.responses),
        ] {
            let folder = folder.join(name);
            fs::create_dir_all(&folder)?;
            for (number, frame) in frames.iter().enumerate() {
                fs::write(folder.join(format!("golden-{number:05}")), frame)?;
            }
        }
        Ok(())
    }
}

/// One line of a session as a frame without compression.
fn parse_frame(line: &str) -> Option<(FrameHeader, Vec<u8>)> {
    let json: Json = serde_json::from_str(line).ok()?;
    let opcode = json["opcode"].as_str()?;
    let hex = json["body"].as_str()?;
    let mut body = (0..hex.len() / 2)
        .map(|i| u8::from_str_radix(hex.get(2 * i..2 * i + 2)?, 16).ok())
        .collect::<Option<Vec<u8>>>()?;
    let mut flags = u8::try_from(json["flags"].as_u64()?).ok()?;
    if flags & Flags::COMPRESSION != 0 {
        let packed = std::mem::take(&mut body);
        Compression::Lz4
            .decompress(&packed, 1 << 28, &mut body)
            .ok()?;
        flags &= !Flags::COMPRESSION;
    }
    let header = FrameHeader {
        version: Version::from_number(u8::try_from(json["version"].as_u64()?).ok()?)?,
        is_response: json["dir"].as_str()? == "<",
        flags,
        stream: i16::try_from(json["stream"].as_i64()?).ok()?,
        opcode: Opcode::ALL
            .into_iter()
            .find(|known| known.as_str() == opcode)?,
        length: u32::try_from(body.len()).ok()?,
    };
    Some((header, [&header.encode()[..], &body].concat()))
}
