//! Frames and class names made up by the grammar of the protocol, with a wrong number here and
//! there: they reach what no captured session has, such as named values, v5 fields, deep types.

use shardlane_wire::{Direction, HEADER_LEN, Opcode};

use super::mutate::mend_length;
use super::rng::Rng;

/// One or two frames.
pub(super) fn stream(direction: Direction, rng: &mut Rng) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..=rng.below(2) {
        out.extend_from_slice(&frame(direction, rng));
    }
    out
}

fn frame(direction: Direction, rng: &mut Rng) -> Vec<u8> {
    let version = rng.pick(&[3, 4, 4, 5]);
    let (response, opcodes): (u8, &[Opcode]) = match direction {
        Direction::Request => (
            0,
            &[
                Opcode::Query,
                Opcode::Execute,
                Opcode::Batch,
                Opcode::Prepare,
                Opcode::Register,
            ],
        ),
        Direction::Response => (
            0x80,
            &[
                Opcode::Result,
                Opcode::Result,
                Opcode::Result,
                Opcode::Error,
                Opcode::Event,
            ],
        ),
    };
    let opcode = rng.pick(opcodes);
    let extended = rng.one_in(2);
    let flags = if rng.one_in(6) {
        rng.pick(&[2, 4, 6, 8, 0x0E, 0xFE])
    } else {
        0
    };
    let stream = rng.next() as u8 & 0xFE | u8::from(extended);
    let mut w = Writer {
        out: vec![version | response, flags, 0, stream, opcode.code()],
        rng,
    };
    w.out.resize(HEADER_LEN, 0);
    w.extras(flags, direction);
    let ids = extended || version == 5;
    match opcode {
        Opcode::Query => {
            w.long_string();
            w.query_params(version);
        }
        Opcode::Execute => {
            w.short_bytes();
            if ids {
                w.short_bytes();
            }
            w.query_params(version);
        }
        Opcode::Batch => w.batch(version),
        Opcode::Prepare => {
            w.long_string();
            if version == 5 {
                w.int(1);
                w.string();
            }
        }
        Opcode::Register => w.words(&["TOPOLOGY_CHANGE", "STATUS_CHANGE", "SCHEMA_CHANGE"]),
        Opcode::Error => w.error(version),
        Opcode::Event => w.event(),
        _ => w.result(ids, version),
    }
    let mut out = w.out;
    mend_length(&mut out);
    out
}

/// Writes notations; every length is now and then wrong.
struct Writer<'r> {
    out: Vec<u8>,
    rng: &'r mut Rng,
}

impl Writer<'_> {
    fn short(&mut self, value: u16) {
        let value = if self.rng.one_in(200) {
            self.rng.next() as u16
        } else {
            value
        };
        self.out.extend(value.to_be_bytes());
    }

    fn int(&mut self, value: i32) {
        let value = if self.rng.one_in(200) {
            self.rng.next() as i32
        } else {
            value
        };
        self.out.extend(value.to_be_bytes());
    }

    fn count(&mut self, bound: usize) -> usize {
        let n = self.rng.below(bound);
        self.short(n as u16);
        n
    }

    fn text(&mut self) -> &'static str {
        self.rng.pick(&[
            "",
            "a",
            "ks",
            "table",
            "☃",
            "int",
            "CAS",
            "frozen<list<int>>",
        ])
    }

    fn word(&mut self, word: &str) {
        self.short(word.len() as u16);
        self.out.extend(word.bytes());
    }

    fn words(&mut self, words: &[&str]) {
        for _ in 0..self.count(4) {
            let word = self.rng.pick(words);
            self.word(word);
        }
    }

    fn string(&mut self) {
        let text = self.text();
        self.word(text);
    }

    fn long_string(&mut self) {
        let text = self.text();
        self.int(text.len() as i32);
        self.out.extend(text.bytes());
    }

    fn short_bytes(&mut self) {
        let bytes = self.rng.bytes(16);
        self.short(bytes.len() as u16);
        self.out.extend(bytes);
    }

    fn value(&mut self) {
        if self.rng.one_in(4) {
            let null = self.rng.pick(&[-1, -1, -2]);
            return self.int(null);
        }
        let bytes = self.rng.bytes(9);
        self.int(bytes.len() as i32);
        self.out.extend(bytes);
    }

    fn consistency(&mut self) {
        let code = self.rng.below(11) as u16;
        self.short(code);
    }

    fn extras(&mut self, flags: u8, direction: Direction) {
        if flags & 2 != 0 && direction == Direction::Response {
            self.out.extend([9; 16]);
        }
        if flags & 8 != 0 && direction == Direction::Response {
            self.words(&["a warning", ""]);
        }
        if flags & 4 != 0 {
            for _ in 0..self.count(3) {
                self.string();
                self.value();
            }
        }
    }

    fn values(&mut self, named: bool) {
        for _ in 0..self.count(5) {
            if named {
                self.string();
            }
            self.value();
        }
    }

    fn flags(&mut self, version: u8, flags: u16) {
        if version == 5 {
            self.int(flags.into());
        } else {
            self.out.push(flags as u8);
        }
    }

    fn query_params(&mut self, version: u8) {
        self.consistency();
        let flags = self.rng.next() as u16 & if version == 5 { 0x1FF } else { 0x7F };
        self.flags(version, flags);
        if flags & 0x01 != 0 {
            self.values(flags & 0x40 != 0);
        }
        if flags & 0x04 != 0 {
            self.int(5000);
        }
        if flags & 0x08 != 0 {
            self.value();
        }
        self.tail(flags);
    }

    fn tail(&mut self, flags: u16) {
        if flags & 0x10 != 0 {
            let level = self.rng.pick(&[8, 9]);
            self.short(level);
        }
        if flags & 0x20 != 0 {
            self.out.extend(7i64.to_be_bytes());
        }
        if flags & 0x80 != 0 {
            self.string();
        }
        if flags & 0x100 != 0 {
            self.int(1);
        }
    }

    fn batch(&mut self, version: u8) {
        let kind = self.rng.below(3) as u8;
        self.out.push(kind);
        for _ in 0..self.count(4) {
            if self.rng.one_in(2) {
                self.out.push(0);
                self.long_string();
            } else {
                self.out.push(1);
                self.short_bytes();
            }
            self.values(false);
        }
        self.consistency();
        let flags = self.rng.next() as u16 & if version == 5 { 0x1B0 } else { 0x30 };
        self.flags(version, flags);
        self.tail(flags);
    }

    fn cql_type(&mut self, depth: usize) {
        let id = if depth == 0 || self.rng.one_in(2) {
            1 + self.rng.below(0x15) as u16
        } else {
            self.rng.pick(&[0, 0x20, 0x20, 0x21, 0x22, 0x30, 0x31])
        };
        self.short(id);
        match id {
            0 => {
                let class = type_class(self.rng);
                self.word(&class);
            }
            0x20 | 0x22 => self.cql_type(depth - 1),
            0x21 => {
                self.cql_type(depth - 1);
                self.cql_type(depth - 1);
            }
            0x30 => {
                self.string();
                self.string();
                for _ in 0..self.count(3) {
                    self.string();
                    self.cql_type(depth - 1);
                }
            }
            0x31 => {
                for _ in 0..self.count(4) {
                    self.cql_type(depth - 1);
                }
            }
            _ => {}
        }
    }

    fn columns(&mut self, count: usize, global: bool) {
        if global {
            self.string();
            self.string();
        }
        for _ in 0..count {
            if !global {
                self.string();
                self.string();
            }
            self.string();
            let depth = if self.rng.one_in(50) { 40 } else { 3 };
            self.cql_type(depth);
        }
    }

    fn metadata(&mut self, ids: bool) -> usize {
        let columns = self.rng.below(4);
        let mut flags = self.rng.next() as i32 & 0x0F;
        if self.rng.one_in(4) {
            flags |= i32::MIN;
        }
        self.int(flags);
        self.int(columns as i32);
        if flags & 2 != 0 {
            self.value();
        }
        if flags & 8 != 0 && ids {
            self.short_bytes();
        }
        if flags & 4 == 0 {
            self.columns(columns, flags & 1 != 0);
        }
        columns
    }

    fn result(&mut self, ids: bool, version: u8) {
        let kind = self.rng.pick(&[2, 2, 2, 4, 4, 1, 3, 5]);
        self.int(kind);
        match kind {
            2 => {
                let columns = self.metadata(ids);
                let rows = if columns == 0 { 0 } else { self.rng.below(4) };
                self.int(rows as i32);
                (0..rows * columns).for_each(|_| self.value());
            }
            3 => self.string(),
            4 => {
                self.short_bytes();
                if ids {
                    self.short_bytes();
                }
                let global = self.rng.one_in(2);
                let columns = self.rng.below(4);
                self.int(i32::from(global));
                self.int(columns as i32);
                if version >= 4 {
                    let n = self.rng.below(3);
                    self.int(n as i32);
                    (0..n).for_each(|index| self.short(index as u16));
                }
                self.columns(columns, global);
                self.metadata(ids);
            }
            5 => self.schema_change(),
            _ => {}
        }
    }

    fn schema_change(&mut self) {
        let change = self.rng.pick(&["CREATED", "UPDATED", "DROPPED"]);
        self.word(change);
        let target = self
            .rng
            .pick(&["KEYSPACE", "TABLE", "TYPE", "FUNCTION", "AGGREGATE"]);
        self.word(target);
        self.string();
        if target != "KEYSPACE" {
            self.string();
        }
        if matches!(target, "FUNCTION" | "AGGREGATE") {
            self.words(&["int", "text"]);
        }
    }

    fn address(&mut self) {
        let len = self.rng.pick(&[4, 16]);
        self.out.push(len);
        self.out.extend(std::iter::repeat_n(1, len.into()));
    }

    fn event(&mut self) {
        match self.rng.below(3) {
            0 => {
                self.word("SCHEMA_CHANGE");
                return self.schema_change();
            }
            1 => {
                self.word("STATUS_CHANGE");
                let change = self.rng.pick(&["UP", "DOWN"]);
                self.word(change);
            }
            _ => {
                self.word("TOPOLOGY_CHANGE");
                let change = self.rng.pick(&["NEW_NODE", "REMOVED_NODE", "MOVED_NODE"]);
                self.word(change);
            }
        }
        self.address();
        self.int(9042);
    }

    fn error(&mut self, version: u8) {
        let code = self.rng.pick(&[
            0x0000, 0x000A, 0x0100, 0x1000, 0x1100, 0x1200, 0x1300, 0x1400, 0x1500, 0x1600, 0x1700,
            0x2200, 0x2400, 0x2500, 0xF000, 0x7777,
        ]);
        self.int(code);
        self.string();
        if matches!(code, 0x1000 | 0x1100 | 0x1200 | 0x1300 | 0x1500 | 0x1700) {
            self.consistency();
            self.int(1);
            self.int(2);
        }
        if matches!(code, 0x1300 | 0x1500) {
            let n = self.rng.below(3);
            self.int(n as i32);
            for _ in 0..if version == 5 { n } else { 0 } {
                self.address();
                self.short(1);
            }
        }
        match code {
            0x1200 | 0x1300 => self.out.push(1),
            0x1100 | 0x1500 => {
                let word = self.rng.pick(&["SIMPLE", "CAS", "BATCH_LOG", "NEW"]);
                self.word(word);
                if version == 5 && word == "CAS" && code == 0x1100 {
                    self.short(3);
                }
            }
            0x1400 => {
                self.string();
                self.string();
                self.words(&["int", "text"]);
            }
            0x2400 => {
                self.string();
                self.string();
            }
            0x2500 => self.short_bytes(),
            0xF000 => self.out.extend([0, 1]),
            _ => {}
        }
    }
}

/// A class name, nested up to a random depth, now and then too deeply.
pub(super) fn type_class(rng: &mut Rng) -> String {
    let depth = if rng.one_in(20) { 40 } else { rng.below(5) };
    let mut out = String::new();
    write_class(depth, rng, &mut out);
    out
}

fn write_class(depth: usize, rng: &mut Rng, out: &mut String) {
    if rng.one_in(2) {
        out.push_str("org.apache.cassandra.db.marshal.");
    }
    // Beyond a few levels only one child each, or the text would grow without bound.
    let kinds = if depth > 4 { 4 } else { 8 };
    match if depth == 0 { 99 } else { rng.below(kinds) } {
        0 => nest("ListType", 1, depth, rng, out),
        1 => nest("SetType", 1, depth, rng, out),
        2 => nest("FrozenType", 1, depth, rng, out),
        3 => nest("ReversedType", 1, depth, rng, out),
        4 => nest("MapType", 2, depth, rng, out),
        5 => nest("TupleType", 1 + rng.below(3), depth, rng, out),
        6 => {
            out.push_str("VectorType(");
            write_class(depth - 1, rng, out);
            out.push_str(rng.pick(&[", 3)", " , 1536)", ",0)", ", 65535)", ",)"]));
        }
        7 => {
            out.push_str("UserType(ks,6e616d65");
            for _ in 0..rng.below(3) {
                out.push_str(rng.pick(&[",61:", ",6162:", ",c3a9:", ",ff:"]));
                write_class(depth - 1, rng, out);
            }
            out.push(')');
        }
        _ => out.push_str(rng.pick(&[
            "Int32Type",
            "UTF8Type",
            "DurationType",
            "Unknown",
            "com.example.Mine(a=>B,(c))",
            "CompositeType(UTF8Type,LongType)",
            "",
        ])),
    }
}

fn nest(name: &str, children: usize, depth: usize, rng: &mut Rng, out: &mut String) {
    out.push_str(name);
    out.push('(');
    for child in 0..children {
        if child > 0 {
            out.push(',');
        }
        write_class(depth - 1, rng, out);
    }
    out.push(')');
}
