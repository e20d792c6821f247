//! The keyspaces as far as routing needs them, each with a version that tells of changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::refresh::Keyspaces;
use super::topology::KeyspaceInfo;
use super::view::KeyspaceView;

/// All known keyspaces.
#[derive(Debug, Default)]
pub(crate) struct KnownKeyspaces {
    by_name: BTreeMap<Box<str>, Arc<KeyspaceView>>,
    /// The last version given to any keyspace: one that is dropped and made again gets a new one.
    version: u64,
}

/// What an update has changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changed {
    pub(crate) put: Vec<Box<str>>,
    pub(crate) removed: Vec<Box<str>>,
}

impl KnownKeyspaces {
    pub(crate) fn get(&self, name: &str) -> Option<&KeyspaceView> {
        self.by_name.get(name).map(|keyspace| &**keyspace)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<KeyspaceView>> {
        self.by_name.values()
    }

    /// Takes over what was read of `scope`: what is in the scope and was not found is gone.
    pub(crate) fn apply(
        &mut self,
        scope: &Keyspaces,
        found: BTreeMap<Box<str>, KeyspaceInfo>,
    ) -> Changed {
        let mut changed = Changed::default();
        let in_scope = |name: &str| match scope {
            Keyspaces::Unread => false,
            Keyspaces::Named(names) => names.contains(name),
            Keyspaces::All => true,
        };
        let known = self.by_name.keys();
        changed.removed = known
            .filter(|name| in_scope(name) && !found.contains_key(*name))
            .cloned()
            .collect();
        for name in &changed.removed {
            self.by_name.remove(name);
        }
        for (name, info) in found {
            let replication = info.replication.into_iter().collect();
            if self.by_name.get(&name).is_some_and(|known| {
                known.replication == replication
                    && known.partition_keys == info.partition_keys
                    && known.has_leaders == info.has_leaders
            }) {
                continue;
            }
            self.version += 1;
            let view = KeyspaceView {
                name: name.to_string(),
                version: self.version,
                replication,
                partition_keys: info.partition_keys,
                has_leaders: info.has_leaders,
            };
            self.by_name.insert(name.clone(), Arc::new(view));
            changed.put.push(name);
        }
        changed
    }

    /// Something in that keyspace has changed.
    pub(crate) fn touch(&mut self, name: &str) {
        if let Some(keyspace) = self.by_name.get_mut(name) {
            self.version += 1;
            Arc::make_mut(keyspace).version = self.version;
        }
    }

    /// Anything may have changed.
    pub(crate) fn touch_all(&mut self) {
        for keyspace in self.by_name.values_mut() {
            self.version += 1;
            Arc::make_mut(keyspace).version = self.version;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::refresh::Scope;
    use super::*;

    fn found(of: &[(&str, &str)]) -> BTreeMap<Box<str>, KeyspaceInfo> {
        let info = |factor: &str| KeyspaceInfo {
            replication: [("replication_factor".to_owned(), factor.to_owned())].into(),
            ..KeyspaceInfo::default()
        };
        of.iter()
            .map(|&(name, factor)| (name.into(), info(factor)))
            .collect()
    }

    fn names(of: &[Box<str>]) -> Vec<&str> {
        of.iter().map(|name| &**name).collect()
    }

    #[test]
    fn an_update_tells_only_of_what_it_has_read() {
        let mut known = KnownKeyspaces::default();
        let changed = known.apply(
            &Keyspaces::All,
            found(&[("a", "1"), ("b", "1"), ("c", "1")]),
        );
        assert_eq!(names(&changed.put), ["a", "b", "c"]);
        let only = |name: &str| Scope::keyspace(name).keyspaces;

        let same = known.apply(&only("a"), found(&[("a", "1")]));
        assert_eq!(same, Changed::default(), "nothing new");
        let altered = known.apply(&only("a"), found(&[("a", "2")]));
        assert_eq!((names(&altered.put), altered.removed.len()), (vec!["a"], 0));
        let dropped = known.apply(&only("b"), found(&[]));
        assert_eq!(names(&dropped.removed), ["b"]);
        assert_eq!(
            known.apply(&Keyspaces::Unread, found(&[])),
            Changed::default()
        );
        let left: Vec<&str> = known.iter().map(|k| k.name.as_str()).collect();
        assert_eq!(left, ["a", "c"]);
        let all = known.apply(&Keyspaces::All, found(&[("c", "1")]));
        assert_eq!(names(&all.removed), ["a"]);
    }

    #[test]
    fn a_version_never_comes_back() {
        let mut known = KnownKeyspaces::default();
        let mut seen = Vec::new();
        let mut note = |known: &KnownKeyspaces| {
            let version = known.get("a").map(|k| k.version).expect("it is there");
            assert!(!seen.contains(&version), "{version} again");
            seen.push(version);
        };
        known.apply(&Keyspaces::All, found(&[("a", "1"), ("b", "1")]));
        note(&known);
        known.touch("a");
        note(&known);
        let before = known.get("b").map(|k| k.version);
        known.touch("a");
        note(&known);
        assert_eq!(known.get("b").map(|k| k.version), before, "untouched");
        known.touch_all();
        note(&known);
        assert_ne!(known.get("b").map(|k| k.version), before);
        known.apply(&Scope::keyspace("a").keyspaces, found(&[]));
        known.touch("a");
        known.apply(&Scope::keyspace("a").keyspaces, found(&[("a", "1")]));
        note(&known);
    }
}
