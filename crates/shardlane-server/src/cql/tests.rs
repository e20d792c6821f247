use super::ast::*;
use super::*;

fn ok(text: &str) -> Statement {
    parse(text)
        .unwrap_or_else(|e| panic!("{text}: {e}"))
        .statement
}

#[test]
fn syntax_errors_carry_line_and_column_as_scylla_reports_them() {
    let error = parse("SELEC 1").unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 1:0 no viable alternative at input 'SELEC'"
    );
    let error = parse("SELECT *\n  FROM").unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 2:6 no viable alternative at input '<EOF>'"
    );
    for bad in [
        "",
        ";",
        "SELECT * FROM t WHERE",
        "INSERT INTO t (a) VALUES (",
        "SELECT 'x",
        "/* x",
        "SELECT # FROM t",
    ] {
        assert!(parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn names_fold_unless_quoted_and_markers_are_numbered() {
    let parsed =
        parse("SELECT A, \"B\"\"x\" FROM Ks.T WHERE a = ? AND b = :Name AND c = :\"Q\"").unwrap();
    let Statement::Select(select) = &parsed.statement else {
        panic!()
    };
    assert_eq!(select.items[0].selector, Selector::Column("a".into()));
    assert_eq!(select.items[1].selector, Selector::Column("B\"x".into()));
    assert_eq!(
        select.table,
        QualifiedName {
            keyspace: Some("ks".into()),
            name: "t".into()
        }
    );
    assert_eq!(
        parsed.markers,
        [None, Some("name".into()), Some("Q".into())]
    );
}

#[test]
fn every_literal_is_recognised() {
    let Statement::Modify(Modification::Insert(insert)) = ok(
        "INSERT INTO t (a) VALUES ('it''s', $$a'b$$, -12, 1E+10, \
         -0.5, NaN, -Infinity, true, 0xAb, 123e4567-e89b-12d3-a456-426614174000, 1y2mo, -1mo, P1Y2M3DT4H, \
         P0001-02-03T04:05:06, null, [1], {1, 2}, {}, {'a': 1}, {f: 1}, (1, 'a'), (int) ?, now())",
    ) else {
        panic!()
    };
    let InsertSource::Values(_, terms) = insert.source else {
        panic!()
    };
    let string = |s: &str| Term::Literal(Literal::String(s.into()));
    let int = |s: &str| Term::Literal(Literal::Integer(s.into()));
    let duration = |months, days, nanoseconds| {
        Term::Literal(Literal::Duration(Duration {
            months,
            days,
            nanoseconds,
        }))
    };
    let hour = 3_600_000_000_000;
    assert_eq!(terms[0], string("it's"));
    assert_eq!(terms[1], string("a'b"));
    assert_eq!(terms[2], int("-12"));
    assert_eq!(terms[3], Term::Literal(Literal::Float("1E+10".into())));
    assert_eq!(terms[6], Term::Literal(Literal::Float("-Infinity".into())));
    assert_eq!(terms[8], Term::Literal(Literal::Hex(vec![0xab])));
    assert!(matches!(terms[9], Term::Literal(Literal::Uuid(_))));
    assert_eq!(terms[10], duration(14, 0, 0));
    assert_eq!(terms[11], duration(-1, 0, 0));
    assert_eq!(terms[12], duration(14, 3, 4 * hour));
    assert_eq!(
        terms[13],
        duration(14, 3, 4 * hour + 5 * 60_000_000_000 + 6_000_000_000)
    );
    assert_eq!(terms[15], Term::List(vec![int("1")]));
    assert_eq!(terms[17], Term::Set(vec![]));
    assert_eq!(terms[18], Term::Map(vec![(string("a"), int("1"))]));
    assert_eq!(terms[19], Term::Udt(vec![("f".into(), int("1"))]));
    assert_eq!(
        terms[21],
        Term::Cast(
            TypeAst::Named(None, "int".into()),
            Box::new(Term::Marker(0))
        )
    );
    assert!(matches!(&terms[22], Term::Function(name, _) if name.name == "now"));
}

#[test]
fn nesting_is_bounded() {
    let deep = format!(
        "INSERT INTO t (a) VALUES ({}1{})",
        "[".repeat(5000),
        "]".repeat(5000)
    );
    assert!(parse(&deep).unwrap_err().message.contains("nested"));
}

#[test]
fn select_clauses() {
    let Statement::Select(select) = ok(
        "SELECT JSON DISTINCT a, count(*) AS n, cast(b AS text), writetime(c), ttl(c), \
         token(a, b), d.f, m['k'], system.now() FROM t WHERE token(a) > 5 AND (c, d) >= (1, 2) AND m CONTAINS KEY 'x' \
         AND m['k'] = 1 AND e IN (1, 2) AND f IN ? GROUP BY a ORDER BY c DESC PER PARTITION LIMIT 2 LIMIT ? \
         ALLOW FILTERING BYPASS CACHE USING TIMEOUT 30000ms",
    ) else {
        panic!()
    };
    assert!(select.json && select.distinct && select.allow_filtering);
    assert_eq!(select.items.len(), 9);
    assert_eq!(select.items[1].selector, Selector::CountAll);
    assert_eq!(select.relations.len(), 6);
    assert_eq!(
        select.relations[1].target,
        RelationTarget::Tuple(vec!["c".into(), "d".into()])
    );
    assert_eq!(select.order_by, [("c".to_owned(), true)]);
    assert_eq!(select.limit, Some(Term::Marker(1)));
    assert!(
        matches!(ok("SELECT json FROM t"), Statement::Select(s) if !s.json && s.items.len() == 1)
    );
}

#[test]
fn modifications() {
    let Statement::Modify(Modification::Update(update)) = ok(
        "UPDATE t USING TTL ? AND TIMESTAMP 5 SET a = 1, \
         b = b + {1}, c = c - 1, l = [0] + l, m['k'] = 2, u.f = 3, n += 4 WHERE k = 1 IF a = 2 AND m['x'] != null",
    ) else {
        panic!()
    };
    assert_eq!(update.assignments.len(), 7);
    assert!(matches!(update.assignments[3], Assignment::Prepend(..)));
    assert!(matches!(&update.conditions, Conditions::If(c) if c.len() == 2));
    let Statement::Modify(Modification::Delete(delete)) =
        ok("DELETE a, m['k'], u.f FROM t USING TIMESTAMP 3 WHERE k = 1 IF EXISTS")
    else {
        panic!()
    };
    assert_eq!(delete.targets.len(), 3);
    assert_eq!(delete.conditions, Conditions::IfExists);
    let Statement::Batch(batch) = ok(
        "BEGIN UNLOGGED BATCH USING TIMESTAMP 1 INSERT INTO t (a) VALUES (1); \
         UPDATE t SET a = 1 WHERE k = 2 DELETE FROM t WHERE k = 1; APPLY BATCH;",
    ) else {
        panic!()
    };
    assert_eq!(
        (batch.kind, batch.statements.len()),
        (BatchKind::Unlogged, 3)
    );
}

#[test]
fn definitions() {
    let Statement::Ddl(DdlStatement::CreateTable(table)) = ok(
        "CREATE TABLE IF NOT EXISTS a.b (p text, q int, c timeuuid, s text static, \
         m map<frozen<tuple<int, text>>, frozen<list<uuid>>>, v vector<float, 3>, PRIMARY KEY ((p, q), c)) WITH \
         CLUSTERING ORDER BY (c DESC) AND compaction = {'class': 'X', 'n': 1} AND comment = 'hi' AND gc_grace_seconds = -1",
    ) else {
        panic!()
    };
    assert_eq!(
        table.primary_keys,
        [(vec!["p".to_owned(), "q".to_owned()], vec!["c".to_owned()])]
    );
    assert_eq!(table.with.clustering_order, [("c".to_owned(), true)]);
    assert_eq!(
        table.with.properties[2],
        (
            "gc_grace_seconds".into(),
            PropertyValue::Scalar("-1".into())
        )
    );
    let Statement::Ddl(DdlStatement::CreateView(view)) = ok(
        "CREATE MATERIALIZED VIEW v AS SELECT * FROM t WHERE n IS NOT NULL AND k IS NOT NULL PRIMARY KEY (n, k)",
    ) else {
        panic!()
    };
    assert_eq!(view.where_text, "n IS NOT NULL AND k IS NOT NULL");
    for text in [
        "ALTER TABLE t ADD a int, b text",
        "ALTER TABLE t DROP (a, b) USING TIMESTAMP 5",
        "ALTER TABLE t RENAME a TO b AND c TO d",
        "ALTER KEYSPACE k WITH durable_writes = false",
        "ALTER TYPE t ADD f int",
        "CREATE CUSTOM INDEX ON t (keys(m)) USING 'x' WITH OPTIONS = {'a': 'b'}",
        "CREATE INDEX ON t ((p), c)",
        "DROP INDEX IF EXISTS k.i",
        "CREATE FUNCTION vn.twice(x int) RETURNS NULL ON NULL INPUT RETURNS int LANGUAGE lua AS 'return x * 2'",
        "DROP FUNCTION f(int)",
        "CREATE ROLE IF NOT EXISTS bob WITH PASSWORD = 'b' AND LOGIN = true",
        "LIST ROLES",
        "GRANT SELECT ON t TO bob",
    ] {
        ok(text);
    }
}
