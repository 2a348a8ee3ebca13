//! What pypsrp sees of the double, and that popgate's client sees the same.

use serde_json::{Value, json};

use super::{basic, ours, try_witness, witness};
use crate::world::exchange::{Exchange, PASSWORD};

fn organisation(more: &Value) -> Value {
    let mut scenario = json!({
        "servers": [{ "name": "EX01" }, { "name": "EDGE1", "role": "Edge" }],
        "mailboxes": [
            { "name": "John Smith", "alias": "jsmith", "pop": true },
            { "name": "Anna", "alias": "anna", "pop": false, "addresses": ["a.meier@contoso.example"] },
            { "name": "Ünïcode 😀 <&>\"'$(x)`_x0041_ _X", "alias": "odd", "pop": false },
            { "name": "Same 1", "display_name": "Same", "alias": "same1" },
            { "name": "Same 2", "display_name": "Same", "alias": "same2" },
            { "name": "Broken", "alias": "broken", "corrupted": true },
            { "name": "Elsewhere", "alias": "elsewhere", "out_of_scope": true },
            { "name": "HealthMailbox1", "alias": "HealthMailbox1", "monitoring": true },
        ],
    });
    for (name, value) in more.as_object().unwrap() {
        scenario[name] = value.clone();
    }
    scenario
}

fn command(name: &str, parameters: &Value) -> Value {
    json!({ "name": name, "parameters": parameters })
}

/// What a reconciler asks of Exchange, and what goes wrong with it.
pub(super) fn script() -> Value {
    let few = json!({ "Property": ["Guid", "PrimarySmtpAddress", "PopEnabled", "Name"] });
    let off = command("Set-CASMailbox", &json!({ "PopEnabled": false, "Confirm": false }));
    json!([
        { "commands": [command("Get-CASMailbox", &json!({ "ResultSize": "Unlimited" })), command("Select-Object", &few)] },
        { "commands": [command("Get-CASMailbox", &json!({ "Identity": "JSMITH@contoso.example" }))] },
        { "commands": [command("Get-CASMailbox", &json!({ "ResultSize": 2 })), command("Select-Object", &few)] },
        { "commands": [off], "input": ["jsmith", "nobody", "Same", "a.meier@contoso.example", "elsewhere", "odd"] },
        { "commands": [command("Get-CASMailbox", &json!({ "ResultSize": "Unlimited", "Filter": "PopEnabled -eq $true" })),
                       command("Select-Object", &few)] },
        { "commands": [command("Get-ExchangeServer", &json!({}))] },
        { "commands": [command("Get-ServerComponentState", &json!({ "Identity": "EX01", "Component": "PopProxy" }))] },
        { "commands": [command("Set-AdServerSettings", &json!({ "ViewEntireForest": true }))] },
        { "commands": [command("Get-ADServerSettings", &json!({}))] },
        { "commands": [command("Get-Command", &json!({ "Name": "Set-CASMailbox" }))] },
        { "commands": [command("Get-Mailbox", &json!({}))] },
        { "commands": [command("Set-CASMailbox", &json!({ "Identity": "jsmith", "PopEnabledd": false }))] },
        { "commands": [command("Set-CASMailbox", &json!({ "Identity": "jsmith", "PopEnabled": "perhaps" }))] },
    ])
}

#[test]
fn both_clients_see_the_same() {
    let seen: Vec<Value> =
        [witness as fn(&Value, &Value, _) -> Value, |endpoint, pipelines, _| ours(endpoint, pipelines)]
            .into_iter()
            .map(|client| {
                let exchange = Exchange::start(&organisation(&json!({})));
                let seen = client(&basic(&exchange), &script(), None);
                assert!(!exchange.pop("jsmith@contoso.example"));
                assert_eq!(exchange.state()["open_sessions"], 0, "the session was deleted");
                seen
            })
            .collect();
    let pretty = |seen: &Value| serde_json::to_string_pretty(seen).unwrap();
    assert!(
        seen[0] == seen[1],
        "pypsrp (-) and popgate (+) saw different things\n{}",
        similar::TextDiff::from_lines(pretty(&seen[0]), pretty(&seen[1])).unified_diff()
    );
}

#[test]
fn the_witness_sees_what_exchange_says() {
    let exchange = Exchange::start(&organisation(&json!({})));
    let seen = witness(&basic(&exchange), &script(), None);
    let all = seen[0]["output"].as_array().unwrap();
    assert_eq!(all.len(), 7, "all but the monitoring mailbox: {all:#?}");
    assert_eq!(all[2]["Name"], "Ünïcode 😀 <&>\"'$(x)`_x0041_ _X");
    assert_eq!(seen[1]["output"][0]["PopMessagesRetrievalMimeFormat"], "BestBodyFormat");
    assert!(seen[2]["warnings"][0].as_str().unwrap().starts_with("There are more results available"));
    let reasons: Vec<_> =
        seen[3]["errors"].as_array().unwrap().iter().map(|error| &error["reason"]).collect();
    assert_eq!(
        reasons,
        [
            "ManagementObjectNotFoundException",
            "ManagementObjectAmbiguousException",
            "InvalidOperationException"
        ]
    );
    let unchanged = "The command completed successfully but no settings of 'contoso.example/Users/Anna' have been modified.";
    assert_eq!(seen[3]["warnings"][0], unchanged);
    assert_eq!(seen[3]["ending"], "completed", "errors of single mailboxes do not end a pipeline");
    assert_eq!(seen[10]["ending"]["failed"]["reason"], "CommandNotFoundException");
    assert_eq!(seen[11]["ending"]["failed"]["id"], "NamedParameterNotFound,Set-CASMailbox");
}

#[test]
fn script_text_is_refused() {
    let exchange = Exchange::start(&organisation(&json!({})));
    let seen = witness(&basic(&exchange), &json!([{ "commands": [{ "script": "Get-CASMailbox" }] }]), None);
    let said = seen[0]["ending"]["failed"]["message"].as_str().unwrap();
    assert!(said.contains("no-language mode"), "{said}");
}

#[test]
fn a_cut_list_says_so_by_a_warning_alone() {
    let exchange = Exchange::start(&json!({ "generate": 1001 }));
    let seen =
        witness(&basic(&exchange), &json!([{ "commands": [command("Get-CASMailbox", &json!({}))] }]), None);
    assert_eq!(seen[0]["output"].as_array().unwrap().len(), 1000);
    assert_eq!(seen[0]["ending"], "completed");
    assert!(seen[0]["warnings"][0].as_str().unwrap().contains("only the first 1000 items"));
}

#[test]
fn the_services_restart_over_winrm_and_jea() {
    let exchange = Exchange::start(&json!({ "hidden_cmdlets": ["jea:Get-Process"] }));
    let both = json!({ "Name": ["MSExchangePop3", "MSExchangePOP3BE"] });
    let process = json!({ "Name": ["Microsoft.Exchange.Pop3", "Microsoft.Exchange.Pop3service"] });
    let pipelines = json!([
        { "commands": [command("Get-Service", &both)] },
        { "commands": [command("Get-Process", &process)] },
        { "commands": [command("Restart-Service", &json!({ "Name": "MSExchangePop3" }))] },
        { "commands": [command("Get-Process", &process)] },
        { "commands": [command("Get-Service", &json!({ "Name": "MSExchangePOP4" }))] },
    ]);
    let mut endpoint = basic(&exchange);
    endpoint["path"] = json!("wsman");
    endpoint["configuration"] = json!("Microsoft.PowerShell");
    let (pypsrp, popgate) = (witness(&endpoint, &pipelines, None), ours(&endpoint, &pipelines));
    assert_eq!(pypsrp[0], popgate[0]);
    assert_eq!(pypsrp[4], popgate[4]);
    assert_eq!(exchange.restarts("EX01"), (2, 0), "each client restarted the front end once");
    assert_eq!(pypsrp[0]["output"][0]["Status"], "Running");
    for seen in [&pypsrp, &popgate] {
        assert_ne!(seen[1]["output"][0]["StartTime"], seen[3]["output"][0]["StartTime"], "another process");
        assert_eq!(seen[1]["output"][1]["StartTime"], seen[3]["output"][1]["StartTime"], "the same process");
    }
    endpoint["configuration"] = json!("Popgate");
    let hidden = witness(&endpoint, &pipelines, None);
    assert_eq!(hidden[1]["ending"]["failed"]["reason"], "CommandNotFoundException");
    assert_eq!(hidden[0], pypsrp[0]);
}

#[test]
fn limits_and_wrong_addresses_are_faults() {
    let exchange = Exchange::start(&json!({ "session_limit": 0 }));
    let nothing = json!([]);
    let full = try_witness(&basic(&exchange), &nothing, None).unwrap_err();
    assert!(
        full.contains("maximum number of connections allowed: 0 for the policy party : MaxConcurrency"),
        "{full}"
    );
    let mut wrong = basic(&exchange);
    wrong["configuration"] = json!("Microsoft.PowerShell");
    let wrong = try_witness(&wrong, &nothing, None).unwrap_err();
    assert!(wrong.contains("2150858811"), "{wrong}");
    let mut stranger = basic(&exchange);
    stranger["password"] = json!("wrong");
    let stranger = try_witness(&stranger, &nothing, None).unwrap_err();
    assert!(stranger.contains("Failed to authenticate the user"), "{stranger}");
}

#[test]
fn the_affinity_cookie_is_wanted_back() {
    let exchange = Exchange::start(&organisation(&json!({ "require_cookie": true })));
    let pipelines = json!([{ "commands": [command("Get-CASMailbox", &json!({ "Identity": "anna" }))] }]);
    let endpoint = basic(&exchange);
    assert_eq!(witness(&endpoint, &pipelines, None), ours(&endpoint, &pipelines));
}

#[test]
fn kerberos_opens_the_door_over_tls_and_sealed_over_plain_http() {
    let exchange = Exchange::start(&organisation(&json!({ "auth": ["negotiate"] })));
    let pipelines = json!([{ "commands": [command("Get-CASMailbox", &json!({ "Identity": "anna" }))] }]);
    let mut endpoint = json!({
        "host": "localhost", "path": "PowerShell/", "auth": "kerberos", "configuration": "Microsoft.Exchange",
        "username": "svc-popgate@CONTOSO.EXAMPLE", "password": PASSWORD, "negotiate_service": "HTTP",
        "cert_validation": exchange.ca(), "port": exchange.port("https"), "tls": true,
    });
    let config = exchange.krb5_config();
    let over_tls = witness(&endpoint, &pipelines, Some(&config));
    assert_eq!(over_tls[0]["output"][0]["Name"], "Anna");
    endpoint["port"] = json!(exchange.port("http"));
    endpoint["tls"] = json!(false);
    assert_eq!(witness(&endpoint, &pipelines, Some(&config)), over_tls);
    let users: Vec<_> = exchange.events("create").iter().map(|event| event["user"].clone()).collect();
    assert_eq!(users, ["svc-popgate@CONTOSO.EXAMPLE"; 2]);
    endpoint["password"] = json!("wrong");
    let stranger = try_witness(&endpoint, &pipelines, Some(&config)).unwrap_err();
    assert!(stranger.contains("Krb5Error"), "{stranger}");
}
