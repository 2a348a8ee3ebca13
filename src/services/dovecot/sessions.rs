//! The POP3 sessions of users who lost POP3: which those are, and how they end.
//!
//! `doveadm kick` would end a user's IMAP sessions as well, takes one name a call, and sends the very same
//! SIGTERM. So the processes are signalled here, those of the protocol POP3 only. A POP3 session that is ended so
//! has deleted nothing (RFC 1939, section 6: no QUIT, no update), so at worst mail is fetched twice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::super::process::signal;
use super::super::{ServiceError, proc};
use super::doveadm::{Config, Doveadm, Session};
use crate::model::{AccountId, Fault};
use crate::name::fold;

/// How long to wait before looking again whether a session has ended.
const AGAIN: Duration = Duration::from_millis(150);
/// How far above a POP3 process its master may be: wrappers such as `rawlog` stand in between.
const GENERATIONS: usize = 4;

/// The folded login names of the disabled accounts.
pub(super) fn logins(config: &Config, disabled: &[AccountId]) -> BTreeSet<String> {
    disabled.iter().map(|id| fold(&config.login_name(id.as_str()))).collect()
}

/// Empties the authentication cache and ends the POP3 sessions of these users, again and again until a look
/// after a flush finds none, but at least twice: a login that was under way during the first flush may have put
/// its old answer back into the cache, or opened its session, just afterwards.
///
/// # Errors
/// When the sessions have not all ended within the time limit, or some cannot be ended alone.
pub(super) async fn end_all(
    doveadm: &Doveadm,
    master: u32,
    logins: &BTreeSet<String>,
    mut known: Vec<Session>,
) -> Result<(), ServiceError> {
    let mut signalled = BTreeSet::new();
    let mut left = Picked::default();
    let ending = async {
        for pass in 0.. {
            doveadm.flush().await?;
            if logins.is_empty() {
                return Ok(());
            }
            known.extend(doveadm.who().await?);
            left = pick(&std::mem::take(&mut known), logins);
            // Dovecot may list a process a little longer than it lives.
            left.alone.retain(|&pid| !matches!(proc::find(pid), Ok(None)));
            if left.alone.is_empty() && pass > 0 {
                return Ok(());
            }
            let fresh: Vec<u32> = left
                .alone
                .iter()
                .filter(|&&pid| !signalled.contains(&pid) && is_pop3(pid, master))
                .copied()
                .collect();
            if !fresh.is_empty() {
                tracing::info!("Ending {} POP3 sessions of disabled users.", fresh.len());
                signal("TERM", &fresh).await.map_err(|error| ServiceError {
                    what: format!("ending POP3 sessions: starting /bin/sh: {error}"),
                    fault: Fault::TRANSIENT,
                    help: None,
                })?;
                signalled.extend(fresh);
            }
            sleep(AGAIN).await;
        }
        Ok(())
    };
    let ended = timeout(doveadm.limit, ending).await;
    match ended {
        Ok(Err(error)) => Err(error),
        Ok(Ok(())) if left.shared.is_empty() => Ok(()),
        Ok(Ok(())) => Err(ServiceError {
            what: format!(
                "POP3 sessions of disabled users share their process with those of others and were left alone: process {}",
                left.shared.iter().take(5).map(ToString::to_string).collect::<Vec<_>>().join(", ")
            ),
            fault: Fault::Invalid,
            help: Some("set `client_limit = 1` in Dovecot's `service pop3`, or use `action: restart`".into()),
        }),
        Err(_) if left.alone.is_empty() => Err(ServiceError {
            what: format!("Dovecot did not say within {:?} which sessions there are", doveadm.limit),
            fault: Fault::TRANSIENT,
            help: Some("give it a longer `timeout`, or look why it is slow".into()),
        }),
        Err(_) => Err(ServiceError {
            what: format!(
                "the POP3 sessions of disabled users did not all end within {:?}; left: process {}",
                doveadm.limit,
                left.alone.iter().take(5).map(ToString::to_string).collect::<Vec<_>>().join(", ")
            ),
            fault: Fault::TRANSIENT,
            help: Some(if proc::is_root() {
                "look what the processes wait for, for example a mail store that does not answer".into()
            } else {
                "popgate may signal the mail users' processes only as root".into()
            }),
        }),
    }
}

/// The processes that serve these users by POP3.
#[derive(Debug, Default, PartialEq, Eq)]
struct Picked {
    /// Processes that serve nobody else.
    alone: BTreeSet<u32>,
    /// Processes that also serve somebody who may stay.
    shared: BTreeSet<u32>,
}

fn pick(sessions: &[Session], logins: &BTreeSet<String>) -> Picked {
    // For each process, whether every one of its sessions and whether any of them has to end.
    let mut processes: BTreeMap<u32, (bool, bool)> = BTreeMap::new();
    for session in sessions {
        let ends = session.service == "pop3" && logins.contains(&fold(&session.user));
        let (all, any) = processes.entry(session.pid).or_insert((true, false));
        *all &= ends;
        *any |= ends;
    }
    let mut picked = Picked::default();
    for (pid, (all, any)) in processes {
        match (all, any) {
            (true, _) => _ = picked.alone.insert(pid),
            (false, true) => _ = picked.shared.insert(pid),
            (false, false) => {}
        }
    }
    picked
}

/// Looks again just before the signal whether the number still belongs to a POP3 process below this master:
/// processes end, and their numbers are given to others.
fn is_pop3(pid: u32, master: u32) -> bool {
    let Ok(Some(process)) = proc::find(pid) else { return false };
    let mut parent = process.parent;
    let mut generations = 1;
    while parent > 1 && parent != master && generations < GENERATIONS {
        let Ok(Some(above)) = proc::find(parent) else { return false };
        parent = above.parent;
        generations += 1;
    }
    process.name.contains("pop3") && parent == master && !process.ended()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(user: &str, service: &str, pid: u32) -> Session {
        Session { user: user.into(), service: service.into(), pid }
    }

    #[test]
    fn only_pop3_sessions_of_these_users_are_picked_whatever_their_case() {
        let config = Config::default();
        let logins = logins(&config, &[AccountId::new("Anna@X"), AccountId::new("björn@x")]);
        let sessions = [
            session("anna@x", "pop3", 1),
            session("anna@x", "imap", 2),
            session("BJO\u{308}RN@x", "pop3", 3),
            session("hannah@x", "pop3", 4),
            session("anna@x.example", "pop3", 5),
        ];
        let picked = pick(&sessions, &logins);
        assert_eq!(picked, Picked { alone: [1, 3].into(), shared: BTreeSet::new() });
    }

    #[test]
    fn a_process_that_also_serves_others_is_left_alone() {
        let logins = ["anna@x".to_owned()].into();
        let sessions = [
            session("anna@x", "pop3", 1),
            session("carl@x", "pop3", 1),
            session("anna@x", "pop3", 2),
            session("anna@x", "pop3", 2),
        ];
        assert_eq!(pick(&sessions, &logins), Picked { alone: [2].into(), shared: [1].into() });
    }

    #[test]
    fn a_process_that_is_not_pop3_or_not_below_the_master_is_never_signalled() {
        let me = std::process::id();
        assert!(!is_pop3(me, proc::find(me).unwrap().unwrap().parent));
        assert!(!is_pop3(1, 1));
    }
}
