//! A status as JSON, versioned like the JSON plan.

use std::fmt;

use serde_json::{Value, json};

use crate::engine::status::{OwedStatus, PlanStatus, ServiceStatus, Status, TargetStatus};
use crate::report::json::{FORMAT_VERSION, write};

/// Writes a status as JSON. Times are RFC 3339 in UTC; what does not apply is `null`.
///
/// # Errors
/// Only those of `out`.
pub fn json(status: &Status, out: &mut dyn fmt::Write) -> fmt::Result {
    let document = json!({
        "format_version": FORMAT_VERSION,
        "converged": super::is_converged(status),
        "live": status.live,
        "suspended": status.suspended,
        "journal": status.journal,
        "targets": status.targets.iter().map(target).collect::<Vec<_>>(),
        "services": status.services.iter().map(service).collect::<Vec<_>>(),
    });
    write(&document, out)
}

fn target(target: &TargetStatus) -> Value {
    json!({
        "name": target.name,
        "converged": target.converged,
        "digest": target.digest,
        "commit": target.commit,
        "invalid": target.invalid.map(|(since, problems)| json!({ "since": since, "problems": problems })),
        "moving": target.moving,
        "store": target.store,
        "counts": target.counts,
        "plan": target.plan.as_ref().map(plan),
        "writes_closed": target.closed,
        "writes_open_at": target.opens,
        "last_batch": target.last_batch,
        "retrying": target.retrying,
        "parked": target.parked,
        "next_expiry": target.next_expiry,
        "expiring": target.expiring.iter().map(|(name, until)| json!({ "name": name, "until": until })).collect::<Vec<_>>(),
    })
}

fn plan(plan: &PlanStatus) -> Value {
    let guard =
        |(name, value, limit): &(String, u64, u64)| json!({ "name": name, "value": value, "limit": limit });
    json!({
        "plan_id": plan.id,
        "enable": plan.enable,
        "disable": plan.disable,
        "blocked": plan.blocked,
        "held": plan.held,
        "drift": plan.drift,
        "guards": plan.guards.iter().map(guard).collect::<Vec<_>>(),
    })
}

fn service(service: &ServiceStatus) -> Value {
    let settled = service.settled.iter().map(|last| {
        json!({
            "server": last.instance.server,
            "service": last.instance.service,
            "at": last.at,
            "proof": last.proof,
            "message": last.proof.words(last.unconfirmed),
            "unconfirmed": last.unconfirmed,
            "ours": last.ours,
        })
    });
    let unready = service
        .unready
        .iter()
        .map(|(instance, why)| json!({ "server": instance.server, "service": instance.service, "why": why }));
    json!({
        "name": service.name,
        "owed": service.owed.iter().map(owed).collect::<Vec<_>>(),
        "settled": settled.collect::<Vec<_>>(),
        "unready": unready.collect::<Vec<_>>(),
    })
}

fn owed(owed: &OwedStatus) -> Value {
    json!({
        "server": owed.instance.server,
        "service": owed.instance.service,
        "since": owed.since,
        "due": owed.due,
        "overdue": owed.overdue,
        "accounts": owed.accounts,
        "not_effective": owed.not_effective,
        "failure": owed.failure,
        "arriving": owed.arriving.as_ref().map(|(why, until)| json!({ "why": why, "until": until })),
    })
}
