//! Class names: refused with an error, or read, written in full, and read as the same type.

use shardlane_wire::types::{parse_type_class, type_class};

use super::Depth;

/// Reads a class name.
pub fn check_type_class(class: &str) -> Depth {
    match parse_type_class(class) {
        Ok(parsed) => {
            let written = type_class(&parsed);
            assert_eq!(
                parse_type_class(&written).as_ref(),
                Ok(&parsed),
                "{written}"
            );
            assert!(!parsed.to_string().is_empty());
            Depth {
                messages: 1,
                ..Depth::default()
            }
        }
        Err(error) => {
            assert!(error.offset <= class.len() && !error.to_string().is_empty());
            Depth {
                refused: 1,
                ..Depth::default()
            }
        }
    }
}
