//! What is shipped for deploying: YAML that parses, settings that are valid, units that systemd understands.

use serde::Deserialize as _;
use serde_yaml::Value;

use super::{example, text};
use crate::daemon::desire;
use crate::world::{World, require};

#[test]
fn the_manifest_parses_and_its_settings_are_valid() {
    let world = World::new();
    let manifest = example("deploy/git-sync.yaml");
    let documents: Vec<Value> =
        serde_yaml::Deserializer::from_str(&manifest).map(|one| Value::deserialize(one).unwrap()).collect();
    let kinds: Vec<_> = documents.iter().map(|one| text(one, "kind")).collect();
    assert_eq!(kinds, ["ConfigMap", "PersistentVolumeClaim", "Deployment"]);
    let settings = text(&documents[0]["data"], "popgate.yaml");
    world.write("popgate.yaml", settings);
    desire(&world, 2, &[1]);
    let _valid = world.popgate(["validate", "desired-state"]).success();
    let pod = &documents[2]["spec"]["template"]["spec"];
    let containers = pod["containers"].as_sequence().unwrap();
    let names: Vec<_> = containers.iter().map(|one| text(one, "name")).collect();
    assert_eq!(names, ["git-sync", "popgate"]);
    // The settings look where git-sync puts its link.
    let git_sync: Vec<_> =
        containers[0]["args"].as_sequence().unwrap().iter().filter_map(Value::as_str).collect();
    let option = |name: &str| git_sync.iter().find_map(|word| word.strip_prefix(name)).unwrap();
    assert!(settings.contains(&format!(
        "desired: {}/{}/desired-state",
        option("--root="),
        option("--link=")
    )));
    assert_eq!(documents[2]["spec"]["replicas"].as_u64(), Some(1));
    // Every volume that is mounted is there.
    let volumes: Vec<_> = pod["volumes"].as_sequence().unwrap().iter().map(|one| text(one, "name")).collect();
    for mount in containers.iter().flat_map(|one| one["volumeMounts"].as_sequence().unwrap()) {
        assert!(volumes.contains(&text(mount, "name")), "{mount:?}");
    }
}

#[test]
fn the_units_are_what_systemd_understands() {
    let world = World::new();
    let names = ["popgate.service", "popgate-pull.service", "popgate-pull.timer"];
    for name in names {
        let unit = example(&format!("deploy/{name}"));
        let unit = unit.replace("/usr/local/bin/popgate", env!("CARGO_BIN_EXE_popgate"));
        world.write(name, unit.replace("/usr/bin/git", &require("git").display().to_string()));
    }
    let mut command = world.command(require("systemd-analyze"));
    command.args(["verify", "--man=no"]).args(names.map(|name| world.path(name)));
    let ran = world.run(command, "").success();
    assert_eq!(ran.stderr, "", "no complaint");
    let unit = example("deploy/popgate.service");
    let command =
        unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/popgate ")).unwrap();
    let mut help: Vec<&str> = command.split(' ').collect();
    help.push("--help");
    let _help = world.popgate(help).success();
}
