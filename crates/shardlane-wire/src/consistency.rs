//! Consistency levels (section 3, `[consistency]`).

use std::fmt;

macro_rules! consistency {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $code:literal, $text:literal;)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum $name {
            $($(#[$vmeta])* $variant = $code,)*
        }

        impl $name {
            /// Every level, in the order of the codes.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code on the wire.
            pub const fn code(self) -> u16 {
                self as u16
            }

            /// The level with this code.
            pub const fn from_code(code: u16) -> Option<Self> {
                match code {
                    $($code => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// The name as CQL spells it, for example `LOCAL_QUORUM`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

consistency! {
    /// How many replicas must answer before the coordinator does.
    Consistency {
        /// Any node may take the write, even as a hint.
        Any = 0x0000, "ANY";
        /// One replica.
        One = 0x0001, "ONE";
        /// Two replicas.
        Two = 0x0002, "TWO";
        /// Three replicas.
        Three = 0x0003, "THREE";
        /// A majority of all replicas.
        Quorum = 0x0004, "QUORUM";
        /// All replicas.
        All = 0x0005, "ALL";
        /// A majority of the replicas in the coordinator's datacenter.
        LocalQuorum = 0x0006, "LOCAL_QUORUM";
        /// A majority of the replicas in each datacenter.
        EachQuorum = 0x0007, "EACH_QUORUM";
        /// Serial, across datacenters: also legal for reads.
        Serial = 0x0008, "SERIAL";
        /// Serial, within the datacenter: also legal for reads.
        LocalSerial = 0x0009, "LOCAL_SERIAL";
        /// One replica in the coordinator's datacenter.
        LocalOne = 0x000A, "LOCAL_ONE";
    }
}

consistency! {
    /// The consistency of the Paxos phase of a conditional update.
    SerialConsistency {
        /// Across datacenters.
        Serial = 0x0008, "SERIAL";
        /// Within the coordinator's datacenter.
        LocalSerial = 0x0009, "LOCAL_SERIAL";
    }
}

impl From<SerialConsistency> for Consistency {
    fn from(level: SerialConsistency) -> Self {
        match level {
            SerialConsistency::Serial => Self::Serial,
            SerialConsistency::LocalSerial => Self::LocalSerial,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_dense_and_round_trip() {
        for (index, level) in Consistency::ALL.iter().enumerate() {
            assert_eq!(usize::from(level.code()), index);
            assert_eq!(Consistency::from_code(level.code()), Some(*level));
        }
        assert_eq!(Consistency::from_code(0x000B), None);
    }

    #[test]
    fn serial_levels_share_codes_with_consistency() {
        for level in SerialConsistency::ALL {
            assert_eq!(Consistency::from(*level).code(), level.code());
            assert_eq!(Consistency::from(*level).as_str(), level.as_str());
        }
        assert_eq!(SerialConsistency::from_code(0x0004), None);
    }
}
