//! Consistency levels as numbers: how many answers, from which datacenter.

use shardlane_wire::{Consistency, ErrorDetail};

use crate::cluster::view::{Replication, View};

/// How many replicas must answer, and how many have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Quota {
    scope: Scope,
    pub(crate) needed: u32,
    pub(crate) received: u32,
}

/// Whose answers count.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Scope {
    /// Those of all replicas.
    Everywhere,
    /// Those of replicas in one datacenter.
    Datacenter(u32),
    /// A number for each datacenter: (datacenter, still missing).
    Each(Vec<(u32, u32)>),
}

/// Too few replicas are alive for a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unavailable {
    pub(crate) consistency: Consistency,
    pub(crate) required: u32,
    pub(crate) alive: u32,
}

impl Unavailable {
    pub(crate) const fn detail(self) -> ErrorDetail {
        ErrorDetail::Unavailable {
            consistency: self.consistency,
            required: self.required as i32,
            alive: self.alive as i32,
        }
    }
}

const fn majority(of: u32) -> u32 {
    of / 2 + 1
}

impl Quota {
    /// One answer from anybody: for work with a single addressee.
    pub(crate) const fn one() -> Self {
        Self {
            scope: Scope::Everywhere,
            needed: 1,
            received: 0,
        }
    }

    /// What `consistency` takes for partitions with these replicas, seen from a node of
    /// `local_datacenter`; an error if too few of the replicas are alive.
    pub(crate) fn new(
        consistency: Consistency,
        replicas: &[u32],
        replication: &Replication,
        view: &View,
        local_datacenter: u32,
    ) -> Result<Self, Unavailable> {
        let alive_in = |datacenter: Option<u32>| -> u32 {
            let counted = replicas
                .iter()
                .filter_map(|&node| view.member(node))
                .filter(|member| {
                    member.is_live()
                        && datacenter.is_none_or(|wanted| wanted == member.datacenter_id)
                });
            counted.count() as u32
        };
        let total = replication.total_factor(view);
        let local = replication.factor_in(local_datacenter, view);
        let (scope, needed) = match consistency {
            Consistency::Any | Consistency::One => (Scope::Everywhere, 1),
            Consistency::Two => (Scope::Everywhere, 2),
            Consistency::Three => (Scope::Everywhere, 3),
            Consistency::Quorum | Consistency::Serial => (Scope::Everywhere, majority(total)),
            Consistency::All => (Scope::Everywhere, total),
            Consistency::LocalOne => (Scope::Datacenter(local_datacenter), 1),
            Consistency::LocalQuorum | Consistency::LocalSerial => {
                (Scope::Datacenter(local_datacenter), majority(local))
            }
            Consistency::EachQuorum => {
                let mut each = Vec::new();
                for datacenter in replication.datacenters(view) {
                    let needed = majority(replication.factor_in(datacenter, view));
                    let alive = alive_in(Some(datacenter));
                    if alive < needed {
                        return Err(Unavailable {
                            consistency,
                            required: needed,
                            alive,
                        });
                    }
                    each.push((datacenter, needed));
                }
                let needed = each.iter().map(|(_, needed)| needed).sum();
                return Ok(Self {
                    scope: Scope::Each(each),
                    needed,
                    received: 0,
                });
            }
        };
        let alive = match &scope {
            Scope::Datacenter(datacenter) => alive_in(Some(*datacenter)),
            Scope::Everywhere | Scope::Each(_) => alive_in(None),
        };
        // ANY is content with a hint, so no replica need be alive.
        if alive < needed && consistency != Consistency::Any {
            return Err(Unavailable {
                consistency,
                required: needed,
                alive,
            });
        }
        Ok(Self {
            scope,
            needed,
            received: 0,
        })
    }

    /// Whether an answer of a node in `datacenter` brings this nearer to its end.
    pub(crate) fn wants(&self, datacenter: u32) -> bool {
        match &self.scope {
            Scope::Everywhere => true,
            Scope::Datacenter(wanted) => *wanted == datacenter,
            Scope::Each(each) => each
                .iter()
                .any(|(wanted, missing)| *wanted == datacenter && *missing > 0),
        }
    }

    /// Counts an answer of a node in `datacenter`.
    pub(crate) fn count(&mut self, datacenter: u32) {
        if !self.wants(datacenter) {
            return;
        }
        self.received += 1;
        if let Scope::Each(each) = &mut self.scope
            && let Some((_, missing)) = each.iter_mut().find(|(wanted, _)| *wanted == datacenter)
        {
            *missing -= 1;
        }
    }

    /// Whether enough have answered.
    pub(crate) const fn is_met(&self) -> bool {
        self.received >= self.needed
    }
}
