use super::*;

fn cost(instructions: f64, allocations: f64, allocated_bytes: f64) -> Cost {
    Cost {
        instructions,
        allocated: Some(Allocated {
            allocations,
            allocated_bytes,
        }),
    }
}

fn surroundings(rustc: &str) -> BTreeMap<String, String> {
    let versions = [("rustc", rustc), ("valgrind", "valgrind-3.19.0")];
    versions.map(|(k, v)| (k.to_owned(), v.to_owned())).into()
}

fn of(cases: &[(&str, Cost)]) -> Baseline {
    Baseline {
        surroundings: surroundings("rustc 1.95.0"),
        cases: cases
            .iter()
            .map(|(name, cost)| ((*name).to_owned(), *cost))
            .collect(),
    }
}

fn compare_one(before: Cost, now: Cost) -> (Change, bool) {
    let comparison = of(&[("a", before)]).compare(&of(&[("a", now)]));
    let change = comparison.changes().next().expect("one case").1;
    (change, comparison.is_passed())
}

#[test]
fn a_growth_beyond_five_per_cent_fails() {
    let before = cost(1000.0, 1.0, 100.0);
    let same = (Change::Same, true);
    assert_eq!(compare_one(before, cost(1050.0, 1.0, 105.0)), same);
    assert_eq!(
        compare_one(before, cost(1051.0, 1.0, 100.0)),
        (Change::Worse(vec!["instructions"]), false)
    );
    assert_eq!(
        compare_one(before, cost(900.0, 1.0, 106.0)),
        (Change::Worse(vec!["bytes"]), false),
        "another measure does not make up for it"
    );
}

#[test]
fn allocations_are_compared_exactly() {
    let before = cost(1000.0, 1.0, 100.0);
    assert_eq!(
        compare_one(before, cost(1000.0, 1.02, 100.0)),
        (Change::Worse(vec!["allocations"]), false)
    );
    let nothing = cost(1000.0, 0.0, 0.0);
    assert_eq!(
        compare_one(nothing, cost(1000.0, 1.0, 8.0)),
        (Change::Worse(vec!["allocations", "bytes"]), false)
    );
    assert_eq!(compare_one(nothing, nothing), (Change::Same, true));
}

#[test]
fn what_is_better_passes_and_is_told() {
    let comparison =
        of(&[("a", cost(1000.0, 2.0, 100.0))]).compare(&of(&[("a", cost(940.0, 1.0, 100.0))]));
    assert!(comparison.is_passed() && comparison.is_better());
    let text = comparison.to_string();
    assert!(text.contains("-6.0 %"), "{text}");
    assert!(text.contains("better: instructions, allocations"), "{text}");
    let comparison =
        of(&[("a", cost(1000.0, 2.0, 100.0))]).compare(&of(&[("a", cost(951.0, 2.0, 96.0))]));
    assert!(comparison.is_passed() && !comparison.is_better());
}

#[test]
fn cases_that_come_and_go_are_named_and_fail() {
    let some = cost(10.0, 0.0, 0.0);
    let comparison =
        of(&[("old", some), ("both", some)]).compare(&of(&[("both", some), ("new", some)]));
    let changes: Vec<_> = comparison.changes().collect();
    assert_eq!(
        changes,
        [
            ("both", Change::Same),
            ("new", Change::New),
            ("old", Change::Missing)
        ]
    );
    assert!(!comparison.is_passed());
    let text = comparison.to_string();
    assert!(text.contains("NEW") && text.contains("MISSING"), "{text}");
    for only in [
        of(&[("old", some)]).compare(&of(&[])),
        of(&[]).compare(&of(&[("new", some)])),
    ] {
        assert!(!only.is_passed());
    }
}

#[test]
fn other_surroundings_are_told() {
    let some = cost(10.0, 0.0, 0.0);
    let before = of(&[("a", some)]);
    assert!(
        !before
            .compare(&before)
            .to_string()
            .contains("baseline is of")
    );
    let now = Baseline {
        surroundings: surroundings("rustc 1.96.0"),
        ..before.clone()
    };
    let comparison = before.compare(&now);
    assert!(comparison.is_passed(), "as such it is no reason to fail");
    let text = comparison.to_string();
    assert!(
        text.contains("rustc 1.95.0") && text.contains("rustc 1.96.0"),
        "{text}"
    );
}

#[test]
fn it_survives_the_way_through_json() {
    let python = Cost {
        instructions: 10.0,
        allocated: None,
    };
    let before = of(&[("a", cost(1234.5, 1.001, 65.0)), ("b", python)]);
    let text = serde_json::to_string_pretty(&before).expect("plain");
    assert_eq!(
        serde_json::from_str::<Baseline>(&text).expect("plain"),
        before
    );
}

#[test]
fn a_part_is_compared_and_replaced_alone() {
    let (one, two, three) = (
        cost(1.0, 0.0, 0.0),
        cost(2.0, 0.0, 0.0),
        cost(3.0, 0.0, 0.0),
    );
    let mut all = of(&[("a/x", one), ("a/y", one), ("b/x", one)]);
    assert!(all.part("b/").compare(&of(&[("b/x", one)])).is_passed());
    all.replace_part("a/", of(&[("a/x", two)]))
        .expect("the same tools");
    assert_eq!(all, of(&[("a/x", two), ("b/x", one)]));
    let mut newer = of(&[("a/x", three)]);
    newer.surroundings = surroundings("rustc 1.96.0");
    assert!(all.clone().replace_part("a/", newer.clone()).is_err());
    all.replace_part("", newer.clone())
        .expect("there are no others");
    assert_eq!(all, newer);
}
