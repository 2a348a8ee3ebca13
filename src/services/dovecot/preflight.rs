//! What `doctor` says about a Dovecot.

use super::super::{ServiceError, proc};
use super::doveadm::{Config, Doveadm, Lookup};
use super::{Dovecot, DovecotAction, master};
use crate::model::{Finding, Severity};

/// A name that nobody has, so that asking for it shows only whether Dovecot answers.
const NOBODY: &str = "popgate-preflight-nobody@invalid";

/// Looks at the programs, the configuration, the process and the permissions without changing anything.
pub(super) async fn look(dovecot: &Dovecot, doveadm: &Doveadm) -> Vec<Finding> {
    let config = match doveadm.config().await {
        Ok(config) => config,
        Err(error) => return vec![finding(error)],
    };
    let mut findings = vec![protocol(&config), cache(&config, dovecot.action)];
    match master::find(&config) {
        Err(error) => findings.push(finding(error)),
        Ok(None) => findings.push(Finding::warning(
            format!("Dovecot does not run (there is no process for {})", master::pid_file(&config).display()),
            "nothing to do if that is meant; else start it, or set `config` to the file that the running Dovecot uses",
        )),
        Ok(Some(_)) => {
            findings.push(match doveadm.who().await {
                Ok(sessions) => Finding::ok(format!("Dovecot runs and lists its {} sessions", sessions.len())),
                Err(error) => finding(error),
            });
            findings.push(match doveadm.lookup(NOBODY).await {
                Lookup::Refused => Finding::ok("Dovecot says whom it would admit"),
                Lookup::Admitted => Finding::warning(
                    format!("Dovecot would admit anybody, even `{NOBODY}`"),
                    "its `passdb` does not look at single users, so disabling POP3 in a store cannot take effect",
                ),
                Lookup::Unclear(why) => Finding::error(
                    format!("Dovecot does not say whom it would admit: {why}"),
                    "run popgate as root, or see in Dovecot's log what is wrong with its user database",
                ),
            });
        }
    }
    if !proc::is_root() {
        findings.push(Finding::warning(
            "popgate does not run as root, so it may be unable to end sessions of other system users",
            "run it as root, or as the one user that all of Dovecot runs as",
        ));
    }
    if dovecot.action != DovecotAction::FlushAndEndSessions {
        findings.push(Finding {
            severity: Severity::Note,
            what: match dovecot.action {
                DovecotAction::Reload if config.shutdown_clients == "no" => {
                    "a reload leaves the sessions of enabled users alone (`shutdown_clients = no`)".into()
                }
                DovecotAction::Reload => {
                    "six seconds after a reload Dovecot ends every POP3 and IMAP session".into()
                }
                _ => "a restart ends every POP3 and IMAP session".into(),
            },
            remedy: "`action: flush_and_end_sessions` disturbs only the users who lose POP3".into(),
        });
    }
    findings
}

fn protocol(config: &Config) -> Finding {
    if config.protocols.split_whitespace().any(|protocol| protocol == "pop3") {
        Finding::ok("Dovecot's configuration is valid and serves POP3")
    } else {
        Finding::warning(
            format!("Dovecot's configuration does not serve POP3 (`protocols = {}`)", config.protocols),
            "install dovecot-pop3d, or set `config` to the file that the running Dovecot uses",
        )
    }
}

fn cache(config: &Config, action: DovecotAction) -> Finding {
    if !config.caches() {
        return Finding::ok("Dovecot has no authentication cache: it asks its user database at every login");
    }
    let emptied = match action {
        DovecotAction::FlushAndEndSessions => "popgate empties it after every batch",
        DovecotAction::Reload | DovecotAction::Restart => "it is empty afterwards",
    };
    Finding::ok(format!(
        "Dovecot has an authentication cache (`auth_cache_size = {}`); {emptied}",
        config.auth_cache_size
    ))
}

fn finding(error: ServiceError) -> Finding {
    let remedy = if error.what.contains("there is no program") {
        "install it (`apt install dovecot-core`), or give popgate a PATH that reaches it".to_owned()
    } else {
        error.help.unwrap_or_default()
    };
    Finding::error(error.what, remedy)
}
