//! What an operator asks of a running engine, and the reply.

use super::effect::Effect;
use super::event::{Answer, Command, Ticket};
use super::status::UNKNOWN;
use super::{Activity, Engine, Goal, PendingRecords};
use crate::journal::entry::{Proof, Record};
use crate::journal::fold::Suspension;
use crate::model::Now;
use crate::plan::{NotApproved, PlanId};

/// A wish on its way into the journal, with the reply for when it stands there.
#[derive(Debug)]
pub(super) struct Noted {
    pending: PendingRecords,
    ticket: Ticket,
    reply: String,
    /// Restarts that are wanted at once when it stands there.
    urgent: Vec<super::Owed>,
}

impl Engine {
    /// Does what an operator asked when the journal ended with record `seq`.
    pub(super) fn operate(&mut self, ticket: Ticket, command: Command, seq: u64, now: Now) {
        if self.mode.goal == Goal::Observe {
            return self.reply(ticket, Err("this daemon only observes".to_owned()));
        }
        match command {
            Command::Approve { id, by, reason } => self.approve(ticket, &id, &by, &reason, now),
            Command::Reconcile { by: _ } => {
                for target in self.targets.values_mut() {
                    target.parked.clear();
                    target.retries.clear();
                    target.store = None;
                    target.again();
                }
                self.reply(ticket, Ok("looking again".to_owned()));
            }
            Command::Restart { by, reason } => self.restart_now(ticket, by, reason, now),
            Command::RestartDone { by } => self.restart_done(ticket, &by, seq, now),
            Command::Suspend { by, reason, until } => {
                let reply = match until {
                    Some(until) => format!("suspended until {until}"),
                    None => "suspended until `popgate resume`".to_owned(),
                };
                let suspension = Suspension { by, reason, since: now.wall, until };
                self.write_down(ticket, vec![Record::Suspended { suspension }], reply, now);
            }
            Command::Resume { by, reason } if self.ledger.suspended.is_some() => {
                self.targets.values_mut().for_each(super::target::Target::again);
                self.write_down(ticket, vec![Record::Resumed { by, reason }], "resumed".to_owned(), now);
            }
            Command::Resume { .. } => self.reply(ticket, Ok("nothing was suspended".to_owned())),
        }
    }

    pub(super) fn operator_noted(&mut self, noted: Noted, answer: &Answer) {
        let reply = if let Answer::Appended(Err(why)) = answer {
            Err(format!("the journal cannot be written: {why}"))
        } else {
            self.urgent.extend(noted.urgent.into_iter().map(|owed| (owed, true)));
            Ok(noted.reply)
        };
        self.remember(&noted.pending, answer);
        self.forget_settled();
        self.reply(noted.ticket, reply);
    }

    fn approve(&mut self, ticket: Ticket, id: &PlanId, by: &str, reason: &str, now: Now) {
        let mut found = Err(NotApproved::Unknown(id.clone()));
        for (name, target) in &self.targets {
            let Some(plan) = &target.plan else { continue };
            match plan.approve(id, by, reason, now.wall) {
                Ok(approval) => {
                    found = Ok((name.clone(), approval));
                    break;
                }
                Err(why @ NotApproved::Nothing(_)) => found = Err(why),
                Err(NotApproved::Unknown(_)) => {}
            }
        }
        let (target, approval) = match found {
            Ok(found) => found,
            Err(why) => {
                return self.reply(ticket, Err(format!("{why}; `popgate plan` shows the present one")));
            }
        };
        let reply = format!("approved {id}: {}", counted(approval.changes.len()));
        if let Some(approved) = self.targets.get_mut(&target) {
            approved.again();
        }
        self.write_down(ticket, vec![Record::Approved { target, approval }], reply, now);
    }

    fn restart_now(&mut self, ticket: Ticket, by: String, reason: Option<String>, now: Now) {
        let owed: Vec<_> = self.every_debt();
        if owed.is_empty() {
            let orphan = self.orphans().next().is_some();
            let reply = if orphan { Err(UNKNOWN.to_owned()) } else { Ok("no restart is owed".to_owned()) };
            return self.reply(ticket, reply);
        }
        let closed = self.closed_until(&owed, now);
        match (reason, closed) {
            (Some(reason), _) => {
                let reply = "restarting what is owed".to_owned();
                let records = vec![Record::Urged { by, reason }];
                self.note(records, true, now, |pending| {
                    Activity::Note(Noted { pending, ticket, reply, urgent: owed })
                });
            }
            (None, None) => {
                self.urgent.extend(owed.into_iter().map(|owed| (owed, false)));
                self.reply(ticket, Ok("restarting what is owed".to_owned()));
            }
            (None, Some(until)) => {
                let why = format!(
                    "the window for restarts is closed until {until}; `--now --reason TEXT` overrides it"
                );
                self.reply(ticket, Err(why));
            }
        }
    }

    /// What was written after the person spoke is not covered by it: a batch may have been under way.
    fn restart_done(&mut self, ticket: Ticket, by: &str, seq: u64, now: Now) {
        self.urgent.clear();
        let records: Vec<Record> = self
            .services
            .keys()
            .chain(self.orphans())
            .flat_map(|key| self.ledger.debts(key).iter().map(move |owed| (key, owed)))
            .filter(|(_, owed)| owed.last_write <= seq)
            .map(|(key, owed)| Record::Settled {
                service: key.clone(),
                instance: owed.instance.clone(),
                proof: Proof::Told { by: by.to_owned() },
                covers: seq,
                unconfirmed: false,
            })
            .collect();
        if records.is_empty() {
            let later = !self.every_debt().is_empty();
            let reply =
                if later { "more was written meanwhile; restart it once more" } else { "no restart is owed" };
            return self.reply(ticket, if later { Err(reply.to_owned()) } else { Ok(reply.to_owned()) });
        }
        let reply = format!("{} settled", records.len());
        self.write_down(ticket, records, reply, now);
    }

    /// What a person settled is owed by nobody any more.
    fn forget_settled(&mut self) {
        for (key, service) in &mut self.services {
            let owing = self.ledger.debts(key);
            for instance in service.profile.instances.clone() {
                if !owing.iter().any(|owed| owed.instance == instance) {
                    service.forget(&instance);
                }
            }
        }
    }

    fn every_debt(&self) -> Vec<super::Owed> {
        let owed = |key: &String| {
            let key = key.clone();
            self.ledger
                .debts(&key)
                .iter()
                .map(|owed| (key.clone(), owed.instance.clone()))
                .collect::<Vec<_>>()
        };
        self.services.keys().flat_map(owed).collect()
    }

    fn write_down(&mut self, ticket: Ticket, records: Vec<Record>, reply: String, now: Now) {
        self.note(records, true, now, |pending| {
            Activity::Note(Noted { pending, ticket, reply, urgent: Vec::new() })
        });
    }

    fn reply(&mut self, ticket: Ticket, reply: Result<String, String>) {
        self.effects.push_back(Effect::Reply { ticket, reply });
    }
}

fn counted(changes: usize) -> String {
    if changes == 1 { "1 change".to_owned() } else { format!("{changes} changes") }
}
