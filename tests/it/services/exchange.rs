//! The two POP3 services of each server of a double of Exchange.

use std::time::Duration;

use popgate::model::{Fault, Finding, Severity};
use popgate::psrp::{Auth, Endpoint};
use popgate::secret::Secret;
use popgate::services::exchange::{Exchange, Farm, Pop3, Server, Servers};
use popgate::services::{Condition, Instance, Observed, Service, ServiceError};
use popgate::tls::Trust;
use serde_json::json;

use crate::world::exchange::{Exchange as Double, PASSWORD, USER};

const FRONT: &str = "MSExchangePop3";
const BACK: &str = "MSExchangePOP3BE";

fn endpoint(double: &Double, host: &str, path: &str, configuration: &str) -> Endpoint {
    let password = Secret::Command(vec!["printf".into(), "%s".into(), PASSWORD.into()]);
    let auth = Auth::Basic { username: USER.to_owned(), password };
    let url = format!("https://{host}:{}/{path}", double.port("https"));
    Endpoint { trust: trust(double), ..Endpoint::new(url, configuration, auth) }
}

fn trust(double: &Double) -> Trust {
    Trust { authorities: Some(double.ca()), pins: Vec::new() }
}

fn farm(double: &Double) -> Farm {
    Farm {
        organisation: endpoint(double, "127.0.0.1", "PowerShell/", "Microsoft.Exchange"),
        servers: Servers::Auto,
        remote: endpoint(double, "{server}", "wsman", "Microsoft.PowerShell"),
        pop3: Pop3 {
            plain: Some(double.port("pop3")),
            tls: Some(double.port("pop3s")),
            tls_name: None,
            trust: trust(double),
        },
        timeout: Duration::from_secs(20),
        ready: Duration::from_secs(20),
    }
}

fn three() -> serde_json::Value {
    json!({ "servers": [{ "name": "EX01" }, { "name": "EX02" }, { "name": "EX03" }, { "name": "EDGE1", "role": "Edge" }] })
}

fn instance(server: &str, service: &str) -> Instance {
    Instance { server: server.to_owned(), service: service.to_owned() }
}

fn of<'a>(seen: &'a [Observed], server: &str, service: &str) -> &'a Observed {
    seen.iter().find(|seen| seen.instance == instance(server, service)).unwrap()
}

async fn restart(service: &Exchange, server: &str, name: &str) -> Result<(), ServiceError> {
    service.restart(&instance(server, name), &[]).await
}

#[tokio::test]
async fn every_server_is_found_but_edge_and_each_service_is_an_instance() {
    let double = Double::start(&three());
    let service = Exchange::new(farm(&double));
    assert_eq!(service.profile().instances, [], "nobody was asked yet");
    let seen = service.observe().await.unwrap();
    let names: Vec<_> = seen.iter().map(|seen| seen.instance.to_string()).collect();
    assert_eq!(
        names,
        [
            "MSExchangePOP3BE on EX01",
            "MSExchangePop3 on EX01",
            "MSExchangePOP3BE on EX02",
            "MSExchangePop3 on EX02",
            "MSExchangePOP3BE on EX03",
            "MSExchangePop3 on EX03",
        ]
    );
    for one in &seen {
        assert_eq!(one.condition, Condition::Running);
        assert!(one.identity.as_ref().unwrap().starts_with("process 4"), "{one:?}");
        let age = one.age.unwrap();
        assert!(age > Duration::from_secs(86_000) && age < Duration::from_hours(25), "{age:?}");
    }
    assert_eq!(double.state()["open_shells"], 0, "every session was closed");
}

#[tokio::test]
async fn a_restart_shows_another_process_and_only_there() {
    let double = Double::start(&three());
    let service = Exchange::new(farm(&double));
    let before = service.observe().await.unwrap();
    restart(&service, "EX02", FRONT).await.unwrap();
    service.ready(&instance("EX02", FRONT)).await.unwrap();
    let after = service.observe().await.unwrap();
    for (before, after) in before.iter().zip(&after) {
        let same = before.identity == after.identity;
        assert_eq!(same, after.instance != instance("EX02", FRONT), "{after:?}");
    }
    assert!(of(&after, "EX02", FRONT).age.unwrap() < Duration::from_secs(20));
    assert_eq!((double.restarts("EX01"), double.restarts("EX02")), ((0, 0), (1, 0)));
}

#[tokio::test]
async fn a_jea_endpoint_that_hides_processes_is_believed() {
    let mut scenario = three();
    scenario["hidden_cmdlets"] = json!(["jea:Get-CimInstance"]);
    let double = Double::start(&scenario);
    let remote = endpoint(&double, "{server}", "wsman", "Popgate");
    let service = Exchange::new(Farm { remote, ..farm(&double) });
    let seen = service.observe().await.unwrap();
    assert_eq!(of(&seen, "EX01", FRONT).identity, None);
    assert_eq!(of(&seen, "EX01", FRONT).condition, Condition::Running);
    restart(&service, "EX01", BACK).await.unwrap();
    assert_eq!(double.restarts("EX01"), (0, 1));
    let told = said(&service.preflight().await, Severity::Warning);
    assert!(told.contains("EX01 shows no start times: a restart is believed, not proven"), "{told}");
}

#[tokio::test]
async fn what_somebody_stopped_stays_stopped() {
    let mut scenario = three();
    scenario["servers"][1]["services"] = json!({ "MSExchangePop3": "Stopped" });
    scenario["servers"][2]["services"] = json!({ "MSExchangePop3": "Absent", "MSExchangePOP3BE": "Absent" });
    let double = Double::start(&scenario);
    let service = Exchange::new(farm(&double));
    let seen = service.observe().await.unwrap();
    assert_eq!(of(&seen, "EX02", FRONT).condition, Condition::Stopped);
    assert_eq!(of(&seen, "EX02", BACK).condition, Condition::Running);
    assert_eq!(of(&seen, "EX03", BACK).condition, Condition::Stopped);
    let refused = restart(&service, "EX02", FRONT).await.unwrap_err();
    assert!(refused.what.contains("popgate starts nothing that somebody stopped"), "{refused}");
    assert_eq!(double.restarts("EX02"), (0, 0));
    // The other service of that server is restarted, and nobody waits for a greeting that cannot come.
    restart(&service, "EX02", BACK).await.unwrap();
    service.ready(&instance("EX02", BACK)).await.unwrap();
}

#[tokio::test]
async fn a_server_in_maintenance_is_left_alone_and_stays_owed() {
    let mut scenario = three();
    scenario["servers"][0]["PopProxy"] = json!("Inactive");
    let double = Double::start(&scenario);
    let service = Exchange::new(farm(&double));
    let refused = restart(&service, "EX01", FRONT).await.unwrap_err();
    assert_eq!(refused.what, "EX01 is in maintenance: its PopProxy is Inactive");
    assert!(refused.fault.is_transient());
    assert_eq!(double.restarts("EX01"), (0, 0));
    // Nobody waits for it either.
    restart(&service, "EX02", FRONT).await.unwrap();
    double.control("/server", &json!({ "of": "EX01", "PopProxy": "Active" }));
    restart(&service, "EX01", FRONT).await.unwrap();
}

#[tokio::test]
async fn a_server_that_does_not_come_back_stops_the_roll() {
    let double = Double::start(&three());
    let service = Exchange::new(Farm { ready: Duration::from_secs(2), ..farm(&double) });
    double.fault(&json!({ "kind": "no_banner", "server": "EX01" }));
    restart(&service, "EX01", FRONT).await.unwrap();
    let silent = service.ready(&instance("EX01", FRONT)).await.unwrap_err();
    assert!(silent.what.contains("EX01 does not serve 2s after the restart: POP3 on 127.0.0.1:"), "{silent}");
    let waits = restart(&service, "EX02", BACK).await.unwrap_err();
    assert!(waits.what.starts_with("EX02 is left alone, because EX01 did not come back: POP3 on"), "{waits}");
    assert_eq!(double.restarts("EX02"), (0, 0));
    // Somebody mends it, and the roll goes on by itself.
    double.control("/server", &json!({ "of": "EX01", "services": { FRONT: { "restart": true } } }));
    double.control("/server", &json!({ "of": "EX01", "serve": true }));
    crate::world::wait_until("the greeting", || {
        double.state()["servers"]["EX01"]["serving"].as_bool().filter(|serving| *serving)
    });
    restart(&service, "EX02", BACK).await.unwrap();
    assert_eq!(double.restarts("EX02"), (0, 1));
}

#[tokio::test]
async fn a_service_that_popgate_left_stopped_is_brought_back() {
    let double = Double::start(&three());
    let service = Exchange::new(farm(&double));
    double.fault(&json!({ "kind": "restart", "identity": FRONT, "server": "EX01" }));
    let failed = restart(&service, "EX01", FRONT).await.unwrap_err();
    assert!(failed.what.contains("Failed to start service"), "{failed}");
    let seen = service.observe().await.unwrap();
    assert_eq!(of(&seen, "EX01", FRONT).condition, Condition::Unknown, "nobody stopped it on purpose");
    let waits = restart(&service, "EX03", FRONT).await.unwrap_err();
    assert!(waits.what.contains("because EX01 did not come back: MSExchangePop3 is stopped"), "{waits}");
    restart(&service, "EX01", FRONT).await.unwrap();
    let seen = service.observe().await.unwrap();
    assert_eq!(of(&seen, "EX01", FRONT).condition, Condition::Running);
    restart(&service, "EX03", FRONT).await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_gone_is_unknown_and_not_stopped() {
    let double = Double::start(&three());
    let service = Exchange::new(farm(&double));
    service.observe().await.unwrap();
    double.control("/server", &json!({ "of": "EX03", "down": true }));
    let seen = service.observe().await.unwrap();
    assert_eq!(of(&seen, "EX03", FRONT).condition, Condition::Unknown);
    assert_eq!(of(&seen, "EX01", FRONT).condition, Condition::Running);
    let failed = restart(&service, "EX03", FRONT).await.unwrap_err();
    assert!(failed.fault.is_transient(), "{failed:?}");
}

#[tokio::test]
async fn who_may_not_restart_is_told_what_he_lacks() {
    let mut scenario = three();
    scenario["hidden_cmdlets"] = json!(["jea:Restart-Service", "exchange:Get-ServerComponentState"]);
    scenario["not_local_admin"] = json!([USER]);
    let double = Double::start(&scenario);
    let service = Exchange::new(farm(&double));
    let told = said(&service.preflight().await, Severity::Error);
    assert!(told.contains("Exchange: the account cannot see Get-ServerComponentState"), "{told}");
    assert!(told.contains("EX01 cannot be reached for restarts"), "{told}");
    let denied = restart(&service, "EX01", FRONT).await.unwrap_err();
    assert_eq!(denied.fault, Fault::Denied);

    let remote = endpoint(&double, "{server}", "wsman", "Popgate");
    let service = Exchange::new(Farm { remote, ..farm(&double) });
    let findings = service.preflight().await;
    let told = said(&findings, Severity::Error);
    assert!(told.contains("EX02: the account cannot see Restart-Service"), "{told}");
    assert!(findings.iter().any(|finding| finding.remedy.contains("examples/exchange/jea")));
    let denied = restart(&service, "EX01", FRONT).await.unwrap_err();
    assert_eq!(denied.fault, Fault::Denied);
    assert_eq!(double.restarts("EX01"), (0, 0));
}

#[tokio::test]
async fn all_is_well_where_all_is_well() {
    let double = Double::start(&three());
    let service = Exchange::new(farm(&double));
    let findings = service.preflight().await;
    assert!(findings.iter().all(|finding| finding.severity == Severity::Ok), "{findings:#?}");
    let told = said(&findings, Severity::Ok);
    for part in [
        "Exchange names its servers: EX01, EX02, EX03",
        "answers and offers Basic",
        "EX03: Restart-Service can be used",
        "MSExchangePOP3BE on EX02 runs: process",
        "EX01 greets clients of POP3",
    ] {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
    assert_eq!(double.restarts("EX01"), (0, 0));
}

#[tokio::test]
async fn a_certificate_for_another_name_is_no_greeting() {
    let double = Double::start(&three());
    let named = |name: &str| Pop3 { tls_name: Some(name.to_owned()), ..farm(&double).pop3 };
    let service = Exchange::new(Farm { pop3: named("mail.contoso.example"), ..farm(&double) });
    let told = said(&service.preflight().await, Severity::Warning);
    assert!(told.contains("no TLS with a certificate for mail.contoso.example"), "{told}");
    let service = Exchange::new(Farm { pop3: named("ex.contoso.example"), ..farm(&double) });
    let findings = service.preflight().await;
    assert!(findings.iter().all(|finding| finding.severity == Severity::Ok), "{findings:#?}");
}

#[test]
fn a_person_is_told_what_to_type() {
    let double = Double::start(&three());
    let auto = Exchange::new(farm(&double));
    assert_eq!(
        auto.instructions(),
        [
            "Get-ExchangeServer | Where-Object { $_.ServerRole -notmatch 'Edge' } | ForEach-Object { Invoke-Command \
          -ComputerName $_.Fqdn { Restart-Service MSExchangePop3, MSExchangePOP3BE } }"
        ]
    );
    let ex01 = Server { name: "EX01".into(), host: "ex01.contoso.example".into(), url: None };
    let listed = Exchange::new(Farm { servers: Servers::Listed(vec![ex01]), ..farm(&double) });
    assert_eq!(
        listed.instructions(),
        [
            "Invoke-Command -ComputerName ex01.contoso.example { Restart-Service MSExchangePop3, MSExchangePOP3BE }"
        ]
    );
    assert_eq!(listed.profile().instances, [instance("EX01", FRONT), instance("EX01", BACK)]);
}

fn said(findings: &[Finding], severity: Severity) -> String {
    let of = findings.iter().filter(|finding| finding.severity == severity);
    of.map(|finding| finding.what.clone() + "\n").collect()
}
