//! What the engine says is counted, so that each kind of thing is known to have happened.

use popgate::engine::effect::Notice;
use popgate::journal::entry::{Proof, Record};
use popgate::plan::Guard;

use super::History;
use crate::seen::Seen;

/// A restart that is due later than this waits for its window.
const LATER: u64 = 3600;

impl History {
    pub(super) fn hear(&mut self, notice: &Notice) {
        match notice {
            Notice::Blocked { plan } => {
                for verdict in plan.guards.iter().filter(|verdict| verdict.tripped) {
                    self.random.saw(match verdict.guard {
                        Guard::FirstContact => Seen::HeldFirstContact,
                        Guard::Empty => Seen::HeldEmpty,
                        Guard::ShrunkInput => Seen::HeldShrunkInput,
                        Guard::ShrunkLive => Seen::HeldShrunkLive,
                        Guard::Unreadable => Seen::HeldUnreadable,
                        Guard::MaxDisable => Seen::HeldDisable,
                        Guard::MaxEnable => Seen::HeldEnable,
                        Guard::MaxChanges => Seen::HeldChanges,
                        Guard::Clock => Seen::HeldClock,
                    });
                }
            }
            Notice::Owed { due_in: Some(due_in), .. } if *due_in > LATER => {
                self.random.saw(Seen::WaitedForWindow);
            }
            _ => {}
        }
    }

    pub(super) fn count_proofs(&mut self, records: &[Record]) {
        for record in records {
            let Record::Settled { instance, proof, unconfirmed, .. } = record else { continue };
            if *unconfirmed {
                self.random.saw(Seen::Unconfirmed);
            }
            self.random.saw(match proof {
                Proof::Succeeded => Seen::SettledByWord,
                Proof::NewIdentity { .. } => Seen::SettledByIdentity,
                Proof::Younger { .. } => Seen::SettledByAge,
                Proof::Stopped => Seen::SettledByStop,
                Proof::Told { .. } => {
                    // Whoever says that it is done answers for the service.
                    let told = self.units.iter_mut().filter(|unit| unit.instance == *instance);
                    told.for_each(|unit| unit.left = false);
                    Seen::SettledByPerson
                }
            });
        }
    }
}
