//! All cases.

mod engine;
mod line;
mod random;
mod routing;
mod server;
mod streams;
mod wire;

use crate::case::Case;

/// All of them, in the order in which they are shown.
pub fn all() -> Vec<Case> {
    [
        &wire::CASES[..],
        &streams::CASES,
        &routing::CASES,
        &engine::CASES,
    ]
    .concat()
}

/// The case of that name.
pub fn find(name: &str) -> Option<Case> {
    all().into_iter().find(|case| case.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_case_runs_and_has_a_name_of_its_own() {
        let all = all();
        let names: BTreeSet<&str> = all.iter().map(|case| case.name).collect();
        assert_eq!(names.len(), all.len());
        for case in all {
            let mut moments = Vec::new();
            case.run(2, |moment| moments.push(moment));
            assert_eq!(moments.len(), 4, "{}", case.name);
        }
    }
}
