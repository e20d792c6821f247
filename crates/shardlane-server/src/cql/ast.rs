//! Syntax trees.

use super::duration::Duration;

/// A name with an optional keyspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QualifiedName {
    /// `keyspace.`, if written.
    pub keyspace: Option<String>,
    /// The name.
    pub name: String,
}

/// A type as written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TypeAst {
    /// A native type or a user-defined one: resolved against a keyspace.
    Named(Option<String>, String),
    /// `list<T>`.
    List(Box<Self>),
    /// `set<T>`.
    Set(Box<Self>),
    /// `map<K, V>`.
    Map(Box<Self>, Box<Self>),
    /// `tuple<...>`.
    Tuple(Vec<Self>),
    /// `vector<T, n>`.
    Vector(Box<Self>, u16),
    /// `frozen<T>`.
    Frozen(Box<Self>),
    /// A Java class name in quotes.
    Class(String),
}

/// A constant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Literal {
    /// In single quotes or double dollars.
    String(String),
    /// Digits with an optional sign.
    Integer(String),
    /// With a point or exponent, `NaN` or `Infinity`.
    Float(String),
    /// `true`, `false`.
    Boolean(bool),
    /// A UUID.
    Uuid([u8; 16]),
    /// `0x...`.
    Hex(Vec<u8>),
    /// A duration in either notation.
    Duration(Duration),
}

/// A value in a statement.
#[derive(Debug, Clone, PartialEq)]
pub enum Term {
    /// A constant.
    Literal(Literal),
    /// `null`.
    Null,
    /// The n-th bind marker.
    Marker(usize),
    /// `[a, b]`.
    List(Vec<Self>),
    /// `{a, b}`; `{}` is one too, and fits a map.
    Set(Vec<Self>),
    /// `{k: v}`.
    Map(Vec<(Self, Self)>),
    /// `{field: v}`.
    Udt(Vec<(String, Self)>),
    /// `(a, b)`.
    Tuple(Vec<Self>),
    /// `f(a, b)`.
    Function(QualifiedName, Vec<Self>),
    /// `(type) a`.
    Cast(TypeAst, Box<Self>),
}

/// What a SELECT clause names.
#[derive(Debug, Clone, PartialEq)]
pub enum Selector {
    /// A column.
    Column(String),
    /// `count(*)` or `count(1)`.
    CountAll,
    /// `f(a, b)`.
    Function(QualifiedName, Vec<Self>),
    /// `cast(a as type)`.
    Cast(Box<Self>, TypeAst),
    /// `writetime(a)`.
    WriteTime(String),
    /// `ttl(a)`.
    Ttl(String),
    /// `a.field`.
    Field(Box<Self>, String),
    /// `a[key]`.
    Element(Box<Self>, Term),
    /// A constant or marker as a function's argument.
    Term(Term),
}

/// A selector with its alias.
#[derive(Debug, Clone, PartialEq)]
pub struct SelectItem {
    /// What.
    pub selector: Selector,
    /// `AS name`.
    pub alias: Option<String>,
}

/// Comparison operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `=`.
    Eq,
    /// `!=`.
    Ne,
    /// `<`.
    Lt,
    /// `<=`.
    Le,
    /// `>`.
    Gt,
    /// `>=`.
    Ge,
    /// `IN`.
    In,
    /// `CONTAINS`.
    Contains,
    /// `CONTAINS KEY`.
    ContainsKey,
    /// `LIKE`.
    Like,
    /// `IS NOT NULL`.
    IsNotNull,
}

impl Operator {
    /// As written.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Eq => "=",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
            Self::In => "IN",
            Self::Contains => "CONTAINS",
            Self::ContainsKey => "CONTAINS KEY",
            Self::Like => "LIKE",
            Self::IsNotNull => "IS NOT NULL",
        }
    }
}

/// The left side of a relation.
#[derive(Debug, Clone, PartialEq)]
pub enum RelationTarget {
    /// A column.
    Column(String),
    /// `token(a, b)`.
    Token(Vec<String>),
    /// `(a, b)`.
    Tuple(Vec<String>),
    /// `a[key]`.
    Element(String, Term),
    /// `a.field`, in conditions only.
    Field(String, String),
}

/// The right side of a relation.
#[derive(Debug, Clone, PartialEq)]
pub enum RelationValue {
    /// One value; for `IN` a marker for the whole list.
    One(Term),
    /// `IN (a, b)`.
    Many(Vec<Term>),
    /// `IS NOT NULL` has none.
    None,
}

/// `a < b` and the like, in WHERE and in IF.
#[derive(Debug, Clone, PartialEq)]
pub struct Relation {
    /// Left side.
    pub target: RelationTarget,
    /// Operator.
    pub operator: Operator,
    /// Right side.
    pub value: RelationValue,
}

/// SELECT.
#[derive(Debug, Clone, PartialEq)]
pub struct Select {
    /// The table.
    pub table: QualifiedName,
    /// Empty is `*`.
    pub items: Vec<SelectItem>,
    /// `DISTINCT`.
    pub distinct: bool,
    /// `JSON`.
    pub json: bool,
    /// `WHERE`.
    pub relations: Vec<Relation>,
    /// `GROUP BY`.
    pub group_by: Vec<String>,
    /// `ORDER BY`, `true` is DESC.
    pub order_by: Vec<(String, bool)>,
    /// `PER PARTITION LIMIT`.
    pub per_partition_limit: Option<Term>,
    /// `LIMIT`.
    pub limit: Option<Term>,
    /// `ALLOW FILTERING`.
    pub allow_filtering: bool,
}

/// `USING` of a write.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Using {
    /// `TTL`.
    pub ttl: Option<Term>,
    /// `TIMESTAMP`.
    pub timestamp: Option<Term>,
}

/// The conditions of a conditional write.
#[derive(Debug, Clone, PartialEq)]
pub enum Conditions {
    /// None.
    Unconditional,
    /// `IF NOT EXISTS`.
    IfNotExists,
    /// `IF EXISTS`.
    IfExists,
    /// `IF a = b AND ...`.
    If(Vec<Relation>),
}

/// INSERT.
#[derive(Debug, Clone, PartialEq)]
pub struct Insert {
    /// The table.
    pub table: QualifiedName,
    /// Columns and values.
    pub source: InsertSource,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// `USING`.
    pub using: Using,
}

/// Where an INSERT takes its values from.
#[derive(Debug, Clone, PartialEq)]
pub enum InsertSource {
    /// `(columns) VALUES (terms)`.
    Values(Vec<String>, Vec<Term>),
    /// `JSON term [DEFAULT UNSET]`.
    Json {
        /// A string or a marker.
        term: Term,
        /// Columns that are not named keep their value.
        default_unset: bool,
    },
}

/// One assignment of UPDATE.
#[derive(Debug, Clone, PartialEq)]
pub enum Assignment {
    /// `c = v`.
    Set(String, Term),
    /// `c = c + v` or `c += v`.
    Add(String, Term),
    /// `c = c - v` or `c -= v`.
    Subtract(String, Term),
    /// `c = v + c`.
    Prepend(String, Term),
    /// `c[k] = v`.
    Element(String, Term, Term),
    /// `c.f = v`.
    Field(String, String, Term),
}

impl Assignment {
    /// The column assigned to.
    pub fn column(&self) -> &str {
        match self {
            Self::Set(c, _)
            | Self::Add(c, _)
            | Self::Subtract(c, _)
            | Self::Prepend(c, _)
            | Self::Element(c, _, _)
            | Self::Field(c, _, _) => c,
        }
    }
}

/// UPDATE.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// The table.
    pub table: QualifiedName,
    /// `USING`.
    pub using: Using,
    /// `SET`.
    pub assignments: Vec<Assignment>,
    /// `WHERE`.
    pub relations: Vec<Relation>,
    /// `IF`.
    pub conditions: Conditions,
}

/// What a DELETE deletes.
#[derive(Debug, Clone, PartialEq)]
pub enum DeleteTarget {
    /// `c`.
    Column(String),
    /// `c[k]`.
    Element(String, Term),
    /// `c.f`.
    Field(String, String),
}

/// DELETE.
#[derive(Debug, Clone, PartialEq)]
pub struct Delete {
    /// The table.
    pub table: QualifiedName,
    /// Empty: rows.
    pub targets: Vec<DeleteTarget>,
    /// `USING TIMESTAMP`.
    pub using: Using,
    /// `WHERE`.
    pub relations: Vec<Relation>,
    /// `IF`.
    pub conditions: Conditions,
}

/// Kinds of BATCH.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchKind {
    /// Logged.
    Logged,
    /// Unlogged.
    Unlogged,
    /// Of counters.
    Counter,
}

/// BATCH as a statement.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The kind.
    pub kind: BatchKind,
    /// `USING TIMESTAMP`.
    pub using: Using,
    /// INSERT, UPDATE and DELETE.
    pub statements: Vec<Modification>,
}

/// A write.
#[derive(Debug, Clone, PartialEq)]
pub enum Modification {
    /// INSERT.
    Insert(Insert),
    /// UPDATE.
    Update(Update),
    /// DELETE.
    Delete(Delete),
}

/// A value of WITH: a constant or a map of constants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PropertyValue {
    /// A constant as text.
    Scalar(String),
    /// `{'a': 'b'}`, in order.
    Map(Vec<(String, String)>),
}

/// `name = value` of WITH.
pub type Properties = Vec<(String, PropertyValue)>;

/// CREATE or ALTER KEYSPACE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyspaceDefinition {
    /// The name.
    pub name: String,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// `WITH`.
    pub properties: Properties,
}

/// A column definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnDefinition {
    /// The name.
    pub name: String,
    /// The type.
    pub ty: TypeAst,
    /// `STATIC`.
    pub is_static: bool,
}

/// `WITH` of a table or view.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableWith {
    /// Options.
    pub properties: Properties,
    /// `CLUSTERING ORDER BY`, `true` is DESC.
    pub clustering_order: Vec<(String, bool)>,
    /// `COMPACT STORAGE`.
    pub compact_storage: bool,
    /// `ID = ...`.
    pub id: Option<[u8; 16]>,
}

/// CREATE TABLE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateTable {
    /// The table.
    pub table: QualifiedName,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// Columns in order.
    pub columns: Vec<ColumnDefinition>,
    /// PRIMARY KEY clauses found: (partition key, clustering). There must be one.
    pub primary_keys: Vec<(Vec<String>, Vec<String>)>,
    /// `WITH`.
    pub with: TableWith,
}

/// ALTER TABLE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterTable {
    /// The table.
    pub table: QualifiedName,
    /// What.
    pub change: TableChange,
}

/// What ALTER TABLE does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableChange {
    /// ADD.
    Add(Vec<ColumnDefinition>),
    /// DROP, with an optional timestamp.
    Drop(Vec<String>, Option<i64>),
    /// RENAME.
    Rename(Vec<(String, String)>),
    /// ALTER c TYPE t.
    Retype(String, TypeAst),
    /// WITH.
    With(TableWith),
}

/// DROP of a named thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drop {
    /// Its name.
    pub name: QualifiedName,
    /// `IF EXISTS`.
    pub if_exists: bool,
}

/// CREATE TYPE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateType {
    /// Its name.
    pub name: QualifiedName,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// Fields.
    pub fields: Vec<(String, TypeAst)>,
}

/// ALTER TYPE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterType {
    /// Its name.
    pub name: QualifiedName,
    /// What.
    pub change: TypeChange,
}

/// What ALTER TYPE does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TypeChange {
    /// ADD.
    Add(String, TypeAst),
    /// RENAME.
    Rename(Vec<(String, String)>),
    /// ALTER f TYPE t.
    Retype(String, TypeAst),
}

/// CREATE INDEX.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateIndex {
    /// Its name, if given.
    pub name: Option<String>,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// `CUSTOM`.
    pub custom: bool,
    /// The table.
    pub table: QualifiedName,
    /// `keys`, `values`, `entries`, `full` or nothing, and the column; several for a local index.
    pub targets: Vec<(Option<String>, String)>,
    /// `USING 'class'`.
    pub class: Option<String>,
    /// `WITH OPTIONS`.
    pub options: Vec<(String, String)>,
}

/// CREATE MATERIALIZED VIEW.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateView {
    /// Its name.
    pub name: QualifiedName,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// The table it shows.
    pub base: QualifiedName,
    /// Columns; empty is `*`.
    pub columns: Vec<String>,
    /// `WHERE`.
    pub relations: Vec<Relation>,
    /// `WHERE` as text.
    pub where_text: String,
    /// Partition key.
    pub partition_key: Vec<String>,
    /// Clustering columns.
    pub clustering: Vec<String>,
    /// `WITH`.
    pub with: TableWith,
}

/// ALTER MATERIALIZED VIEW.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterView {
    /// Its name.
    pub name: QualifiedName,
    /// `WITH`.
    pub with: TableWith,
}

/// CREATE FUNCTION.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateFunction {
    /// Its name.
    pub name: QualifiedName,
    /// `OR REPLACE`.
    pub or_replace: bool,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// Arguments.
    pub arguments: Vec<(String, TypeAst)>,
    /// `CALLED ON NULL INPUT`.
    pub called_on_null: bool,
    /// `RETURNS`.
    pub returns: TypeAst,
    /// `LANGUAGE`.
    pub language: String,
    /// `AS`.
    pub body: String,
}

/// CREATE AGGREGATE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateAggregate {
    /// Its name.
    pub name: QualifiedName,
    /// `OR REPLACE`.
    pub or_replace: bool,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// Types of the arguments.
    pub arguments: Vec<TypeAst>,
    /// `SFUNC`.
    pub state_func: String,
    /// `STYPE`.
    pub state_type: TypeAst,
    /// `REDUCEFUNC` (ScyllaDB).
    pub reduce_func: Option<String>,
    /// `FINALFUNC`.
    pub final_func: Option<String>,
    /// `INITCOND`, as written.
    pub initcond: Option<String>,
}

/// CREATE TRIGGER.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateTrigger {
    /// Its name.
    pub name: String,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// `ON`.
    pub table: QualifiedName,
    /// `USING`: a Java class.
    pub class: String,
}

/// DROP TRIGGER.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropTrigger {
    /// Its name.
    pub name: String,
    /// `IF EXISTS`.
    pub if_exists: bool,
    /// `ON`.
    pub table: QualifiedName,
}

/// DROP FUNCTION and DROP AGGREGATE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropFunction {
    /// Its name.
    pub name: QualifiedName,
    /// `IF EXISTS`.
    pub if_exists: bool,
    /// Argument types, if given.
    pub arguments: Option<Vec<TypeAst>>,
}

/// A statement that changes the schema.
#[derive(Debug, Clone, PartialEq)]
pub enum DdlStatement {
    /// CREATE KEYSPACE.
    CreateKeyspace(KeyspaceDefinition),
    /// ALTER KEYSPACE.
    AlterKeyspace(KeyspaceDefinition),
    /// DROP KEYSPACE.
    DropKeyspace(Drop),
    /// CREATE TABLE.
    CreateTable(CreateTable),
    /// ALTER TABLE.
    AlterTable(AlterTable),
    /// DROP TABLE.
    DropTable(Drop),
    /// CREATE TYPE.
    CreateType(CreateType),
    /// ALTER TYPE.
    AlterType(AlterType),
    /// DROP TYPE.
    DropType(Drop),
    /// CREATE INDEX.
    CreateIndex(CreateIndex),
    /// DROP INDEX.
    DropIndex(Drop),
    /// CREATE MATERIALIZED VIEW.
    CreateView(CreateView),
    /// ALTER MATERIALIZED VIEW.
    AlterView(AlterView),
    /// DROP MATERIALIZED VIEW.
    DropView(Drop),
    /// CREATE FUNCTION.
    CreateFunction(CreateFunction),
    /// DROP FUNCTION.
    DropFunction(DropFunction),
    /// CREATE AGGREGATE.
    CreateAggregate(CreateAggregate),
    /// DROP AGGREGATE.
    DropAggregate(DropFunction),
    /// CREATE TRIGGER.
    CreateTrigger(CreateTrigger),
    /// DROP TRIGGER.
    DropTrigger(DropTrigger),
}

/// Roles and permissions: parsed, and answered as a server without authorization does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleStatement {
    /// CREATE ROLE / USER.
    Create {
        /// The role.
        name: String,
        /// `IF NOT EXISTS`.
        if_not_exists: bool,
    },
    /// ALTER ROLE / USER.
    Alter(String),
    /// DROP ROLE / USER.
    Drop {
        /// The role.
        name: String,
        /// `IF EXISTS`.
        if_exists: bool,
    },
    /// GRANT.
    Grant,
    /// REVOKE.
    Revoke,
    /// LIST ROLES / USERS.
    ListRoles,
    /// LIST PERMISSIONS.
    ListPermissions,
}

/// Any statement.
#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    /// SELECT.
    Select(Select),
    /// INSERT, UPDATE, DELETE.
    Modify(Modification),
    /// BATCH.
    Batch(Batch),
    /// TRUNCATE.
    Truncate(QualifiedName),
    /// USE.
    Use(String),
    /// DDL.
    Ddl(DdlStatement),
    /// Roles and permissions.
    Role(RoleStatement),
}
