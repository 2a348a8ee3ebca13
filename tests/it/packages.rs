//! The release packages, built around the binary of this test run: what is in them runs, and is where it is looked for.
//!
//! A binary with Kerberos is packed; the plain one has to be refused.

use std::path::Path;
use std::process::Command;

use crate::world::program::Ran;
use crate::world::{World, require};

const BINARY: &str = env!("CARGO_BIN_EXE_popgate");
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Packs a binary into a directory of the world, as of a fixed moment and without compressing.
fn pack(world: &World, binary: &Path, umask: &str, out: &str) -> Ran {
    for program in ["python3", "dpkg-deb", "dpkg-shlibdeps", "strip"] {
        let _there = require(program);
    }
    // With the environment of this test: the licences of the crates come from cargo.
    let mut command = Command::new("sh");
    command.args(["-c", "umask $0 && exec \"$@\"", umask]);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/build"));
    command.arg("--binary").arg(binary).args(["--level", "0", "--out"]).arg(world.path(out));
    command.env("CARGO", env!("CARGO")).env("SOURCE_DATE_EPOCH", "1700000000");
    world.run(command, "")
}

#[test]
fn a_binary_without_kerberos_is_refused_and_nothing_is_written() {
    let world = World::new();
    let said = format!(r#"{{"format_version": "1.0", "version": "{VERSION}", "kerberos": false}}"#);
    let plain = world.script("plain", &format!("echo '{said}'"));
    let ran = pack(&world, &plain, "022", "out").ends_with(1);
    assert!(ran.stderr.contains("is without Kerberos: build it with"), "{}", ran.stderr);
    let other =
        world.script("other", &format!("echo '{}'", said.replace(VERSION, "9.9.9").replace("false", "true")));
    let ran = pack(&world, &other, "022", "out").ends_with(1);
    assert!(ran.stderr.contains("is version 9.9.9, and Cargo.toml says"), "{}", ran.stderr);
    let no_popgate = world.script("no-popgate", "echo hello");
    let ran = pack(&world, &no_popgate, "022", "out").ends_with(1);
    assert!(ran.stderr.contains("does not say what it is"), "{}", ran.stderr);
    assert!(!world.path("out").exists());
}

#[cfg(not(feature = "kerberos"))]
#[test]
fn the_plain_build_is_refused() {
    let world = World::new();
    let said = world.popgate(["version"]).success().stdout;
    assert_eq!(said, format!("popgate {VERSION}\nkerberos: no\n"));
    let ran = pack(&world, Path::new(BINARY), "022", "out").ends_with(1);
    assert!(ran.stderr.contains("is without Kerberos"), "{}", ran.stderr);
}

#[test]
fn a_tag_is_released_only_when_it_is_the_version() {
    let world = World::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    world.write("Cargo.toml", std::fs::read(root.join("Cargo.toml")).unwrap());
    let workflow = std::fs::read_to_string(root.join(".github/workflows/release.yml")).unwrap();
    let workflow: serde_yaml::Value = serde_yaml::from_str(&workflow).unwrap();
    let steps = workflow["jobs"]["packages"]["steps"].as_sequence().unwrap();
    let scripts: Vec<_> = steps.iter().filter_map(|step| step["run"].as_str()).collect();
    assert!(
        scripts.iter().all(|script| !script.contains("${{")),
        "an expression in a script is an injection"
    );
    assert!(scripts.contains(&"packaging/build"), "{scripts:?}");
    let check = |tag: &str| {
        let mut command = world.command(require("bash"));
        command.args(["-eo", "pipefail", "-c", scripts[0]]).env("GITHUB_REF_NAME", tag);
        world.run(command, "")
    };
    let _right = check(&format!("v{VERSION}")).success();
    let wrong = check("v9.9.9").ends_with(1);
    assert!(
        wrong.stdout.contains(&format!("the tag is v9.9.9, and the version is {VERSION}")),
        "{}",
        wrong.stdout
    );
}

#[cfg(feature = "kerberos")]
mod built {
    use super::{BINARY, VERSION, pack};
    use crate::world::program::Ran;
    use crate::world::{World, require};

    fn run(world: &World, program: &str, arguments: &[&str]) -> Ran {
        let mut command =
            world.command(if program.contains('/') { world.path(program) } else { require(program) });
        command.args(arguments);
        world.run(command, "").success()
    }

    /// The one file of this kind among the packages.
    fn package(world: &World, ending: &str) -> String {
        let files = std::fs::read_dir(world.path("out")).unwrap().map(|file| file.unwrap().file_name());
        let found: Vec<_> =
            files.filter_map(|name| name.into_string().ok()).filter(|name| name.ends_with(ending)).collect();
        let [name] = found.as_slice() else { panic!("one {ending}, not {found:?}") };
        assert!(name.starts_with("popgate") && name.contains(VERSION), "{name}");
        format!("out/{name}")
    }

    /// What is below PREFIX runs, knows Kerberos, and comes with all that belongs to it.
    fn check(world: &World, top: &str, prefix: &str) {
        let program = format!("{top}/bin/popgate");
        let said = run(world, &program, &["version"]).stdout;
        assert_eq!(said, format!("popgate {VERSION}\nkerberos: yes\n"));
        let completion = world.read(&format!("{top}/share/bash-completion/completions/popgate"));
        assert_eq!(completion, run(world, &program, &["completions", "bash"]).stdout);

        let doc = format!("{top}/share/doc/popgate");
        let readme = world.read(&format!("{doc}/README.md"));
        let links = readme.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.starts_with(['#']) && !link.starts_with("http")) {
            assert!(world.path(&doc).join(link).exists(), "README.md of {top} links to {link}");
        }
        for licence in
            ["LICENSE-MIT", "LICENSE-APACHE", "examples/exchange/one-server.yaml", "examples/ci/pre-commit"]
        {
            assert!(world.path(&doc).join(licence).exists(), "{licence} is not in {top}");
        }
        let crates = run(world, "gzip", &["-dc", &format!("{doc}/THIRD-PARTY-LICENSES.gz")]).stdout;
        for line in ["libgssapi 0.11", "tokio 1", "Copyright (c) Tokio Contributors", "Apache License"] {
            assert!(crates.contains(line), "the licences of the crates do not say `{line}`");
        }
        assert!(!crates.contains("proptest"), "what only tests use is not linked");

        let unit = world.read(&format!("{top}/lib/systemd/system/popgate.service"));
        let start = format!("ExecStart={prefix}/bin/popgate --config /etc/popgate/popgate.yaml run\n");
        assert!(unit.contains(&start), "{unit}");
        let unit =
            unit.replace(&format!("{prefix}/bin/popgate"), &world.path(&program).display().to_string());
        world.write(&format!("{top}.d/popgate.service"), unit);
        let unit = format!("{top}.d/popgate.service");
        let said = run(world, "systemd-analyze", &["verify", "--man=no", &unit]).stderr;
        assert_eq!(said, "", "no complaint");
    }

    fn check_debian_package(world: &World, deb: &str) {
        let field = |name: &str| run(world, "dpkg-deb", &["--field", deb, name]).stdout.trim().to_owned();
        assert_eq!(field("Package"), "popgate");
        assert_eq!(field("Version"), VERSION);
        assert_eq!(field("Architecture"), run(world, "dpkg", &["--print-architecture"]).stdout.trim());
        let depends = field("Depends");
        for package in ["libc6 (>= ", "libgssapi-krb5-2 (>= ", "adduser"] {
            assert!(depends.split(", ").any(|one| one.starts_with(package)), "no {package} in {depends}");
        }
        assert_eq!(field("Recommends"), "ca-certificates, git, krb5-user");
        let listed = run(world, "dpkg-deb", &["--contents", deb]).stdout;
        assert!(listed.lines().all(|line| line.contains(" root/root ")), "{listed}");
        let sums = run(world, "sh", &["-c", "cd deb && md5sum --strict --check DEBIAN/md5sums"]).stdout;
        assert!(sums.contains("usr/bin/popgate: OK\n"), "{sums}");
        let files = run(world, "find", &["deb/usr", "deb/etc", "-type", "f"]).stdout;
        assert_eq!(files.lines().count(), sums.lines().count(), "every file has its sum");
    }

    /// No settings, no unit that is enabled, no daemon that is started.
    fn check_nothing_starts(world: &World) {
        let found =
            run(world, "find", &["deb/etc", "deb/usr", "-path", "deb/etc/*", "-o", "-type", "l"]).stdout;
        assert_eq!(
            found, "deb/etc/popgate\n",
            "an empty folder for the settings, and no link that enables a unit"
        );
        for script in ["postinst", "prerm", "postrm"] {
            let script = world.read(&format!("deb/DEBIAN/{script}"));
            let code = script.lines().filter(|line| !line.trim_start().starts_with('#'));
            let words: Vec<_> = code.flat_map(str::split_whitespace).collect();
            // `try-restart` leaves alone what does not run.
            for start in ["enable", "start", "restart", "reenable", "preset"] {
                assert!(!words.contains(&start), "{start}:\n{script}");
            }
        }
    }

    #[test]
    fn both_packages_hold_a_program_with_kerberos_and_what_belongs_to_it_and_start_nothing() {
        let world = World::new();
        let _packed = pack(&world, BINARY.as_ref(), "022", "out").success();
        let sums = run(&world, "sh", &["-c", "cd out && sha256sum --strict --check SHA256SUMS"]).stdout;
        assert_eq!(sums.matches(": OK\n").count(), 2, "{sums}");

        let deb = package(&world, ".deb");
        let _unpacked = run(&world, "dpkg-deb", &["--raw-extract", &deb, "deb"]);
        check(&world, "deb/usr", "/usr");
        check_debian_package(&world, &deb);
        check_nothing_starts(&world);

        let tar = package(&world, ".tar.gz");
        std::fs::create_dir(world.path("local")).unwrap();
        let _unpacked = run(&world, "tar", &["-xzf", &tar, "-C", "local", "--strip-components=1"]);
        check(&world, "local", "/usr/local");

        let _packed = pack(&world, BINARY.as_ref(), "077", "again").success();
        assert_eq!(
            world.read("out/SHA256SUMS"),
            world.read("again/SHA256SUMS"),
            "the same binary, the same bytes"
        );
    }
}
