//! A private Dovecot: its own directory, ports, users and processes. Works as root and as any other user.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::JoinHandle;

use super::{Imap, Pop3, free_port, require, runs, short_dir, signal, wait_until};

/// How a user without POP3 is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Style {
    /// The query finds no row, as with most ready-made systems.
    #[default]
    NotFound,
    /// The query finds the row and adds `nologin`.
    Nologin,
}

/// What kind of Dovecot is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Users `u1@ex.test` with password `pw1`, and so on; all have POP3.
    pub(crate) users: u32,
    /// How refusal works.
    pub(crate) style: Style,
    /// Whether answers are cached, for an hour.
    pub(crate) cache: bool,
    /// More lines for `dovecot.conf`.
    pub(crate) extra: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { users: 20, style: Style::default(), cache: false, extra: String::new() }
    }
}

/// A running Dovecot. Its end is also the end of all its processes and files.
pub(crate) struct Dovecot {
    dir: tempfile::TempDir,
    pop3: u16,
    imap: u16,
    pid: u32,
    /// Waits for the master, so that its end is noticed at once: `doveadm stop` waits for the process to vanish.
    waiter: Option<JoinHandle<()>>,
}

impl Dovecot {
    /// Starts a Dovecot and waits until it greets.
    pub(crate) fn start(options: &Options) -> Self {
        let (dovecot, sqlite) = (require("dovecot"), require("sqlite3"));
        let dir = short_dir();
        write_users(&sqlite, dir.path(), options);
        for _ in 0..5 {
            let (pop3, imap) = (free_port(), free_port());
            write_config(dir.path(), options, pop3, imap);
            if let Some((pid, waiter)) = launch(&dovecot, dir.path(), pop3) {
                return Self { dir, pop3, imap, pid, waiter: Some(waiter) };
            }
        }
        panic!("Dovecot does not start:\n{}", log(dir.path()));
    }

    /// Returns the port of POP3.
    pub(crate) fn pop3_port(&self) -> u16 {
        self.pop3
    }

    /// Returns the port of IMAP.
    pub(crate) fn imap_port(&self) -> u16 {
        self.imap
    }

    /// Returns the path of `dovecot.conf`.
    pub(crate) fn config(&self) -> PathBuf {
        self.dir.path().join("dovecot.conf")
    }

    /// Returns the path of the user database: table `mailbox`, key `username`, flags `enablepop3`, `enableimap`.
    pub(crate) fn database(&self) -> PathBuf {
        database(self.dir.path())
    }

    /// Returns the process number of the master that was started first.
    pub(crate) fn master(&self) -> u32 {
        self.pid
    }

    /// Returns the process number of the master that runs now, if one does.
    pub(crate) fn current_master(&self) -> Option<u32> {
        let text = std::fs::read_to_string(self.dir.path().join("run/master.pid")).ok()?;
        text.trim().parse().ok().filter(|&pid| runs(pid))
    }

    /// Logs user number `n` in by POP3.
    pub(crate) fn pop3(&self, n: u32) -> Result<Pop3, String> {
        Pop3::login(self.pop3, &format!("u{n}@ex.test"), &format!("pw{n}"))
    }

    /// Logs user number `n` in by IMAP.
    pub(crate) fn imap(&self, n: u32) -> Result<Imap, String> {
        Imap::login(self.imap, &format!("u{n}@ex.test"), &format!("pw{n}"))
    }

    /// Gives or takes POP3 in the database, behind everybody's back.
    pub(crate) fn set(&self, user: &str, pop3: bool) {
        self.sql(&format!("UPDATE mailbox SET enablepop3 = {} WHERE username = '{user}'", u8::from(pop3)));
    }

    /// Runs SQL on the user database and returns what it printed.
    pub(crate) fn sql(&self, statement: &str) -> String {
        sql(&require("sqlite3"), &self.database(), statement)
    }

    /// Runs `doveadm` and returns its exit code and everything it printed.
    pub(crate) fn doveadm(&self, args: &[&str]) -> (Option<i32>, String) {
        let output =
            Command::new(require("doveadm")).arg("-c").arg(self.config()).args(args).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    }

    /// Returns Dovecot's own log.
    pub(crate) fn log(&self) -> String {
        log(self.dir.path())
    }

    /// Stops the master. Sessions go on, as they do without systemd, until the world ends.
    pub(crate) fn stop(&self) {
        let master = self.current_master().expect("it runs");
        signal("TERM", master);
        wait_until("Dovecot's end", || (!runs(master)).then_some(()));
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        // Sessions outlive their master by 30 seconds, and a restart may have made another master than ours.
        let since = super::clock();
        loop {
            let left = processes(self.dir.path());
            if left.is_empty() {
                break;
            }
            let name = if since.elapsed().as_secs() < 3 { "TERM" } else { "KILL" };
            for pid in &left {
                signal(name, pid);
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
            if since.elapsed() > super::PATIENCE {
                eprintln!("processes of a Dovecot are left: {left:?}");
                break;
            }
        }
        if let Some(waiter) = self.waiter.take() {
            let _ended = waiter.join();
        }
        if std::thread::panicking() {
            eprintln!("--- Dovecot's log ---\n{}", self.log());
        }
    }
}

fn launch(dovecot: &Path, dir: &Path, port: u16) -> Option<(u32, JoinHandle<()>)> {
    let out = File::create(dir.join("start.log")).unwrap();
    let mut child = Command::new(dovecot)
        .args(["-F", "-c"])
        .arg(dir.join("dovecot.conf"))
        .stdin(Stdio::null())
        .stdout(out.try_clone().unwrap())
        .stderr(out)
        .process_group(0)
        .spawn()
        .unwrap();
    let greets = wait_until("Dovecot's greeting", || {
        if child.try_wait().unwrap().is_some() {
            return Some(false);
        }
        greeting(port).map(|line| line.starts_with("+OK"))
    });
    let pid = child.id();
    greets.then(|| (pid, std::thread::spawn(move || drop(child.wait()))))
}

/// Returns the first line that a server says, `None` while nobody listens.
fn greeting(port: u16) -> Option<String> {
    let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(super::PATIENCE)).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok().map(|_| line)
}

/// Every process of a Dovecot carries its instance's name, which is that of the directory, in its title.
fn processes(dir: &Path) -> Vec<u32> {
    let name = name(dir);
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let ours = |pid: &u32| {
        *pid != std::process::id()
            && runs(*pid)
            && std::fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|title| String::from_utf8_lossy(&title).contains(&name))
    };
    numbers.filter(ours).collect()
}

fn name(dir: &Path) -> String {
    dir.file_name().unwrap().to_str().unwrap().to_owned()
}

fn log(dir: &Path) -> String {
    let read = |name| std::fs::read_to_string(dir.join(name)).unwrap_or_default();
    read("start.log") + &read("dovecot.log")
}

fn database(dir: &Path) -> PathBuf {
    dir.join("db/users.db")
}

fn sql(sqlite: &Path, database: &Path, statement: &str) -> String {
    let mut command = Command::new(sqlite);
    command.arg("-batch").arg("-bail").args(["-cmd", ".timeout 10000"]).arg(database).arg(statement);
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{statement}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// WAL, because otherwise a writer that holds its lock long makes logins fail.
fn write_users(sqlite: &Path, dir: &Path, options: &Options) {
    std::fs::create_dir(dir.join("db")).unwrap();
    let statement = format!(
        "PRAGMA journal_mode = WAL;
         CREATE TABLE mailbox(username TEXT PRIMARY KEY, password TEXT NOT NULL, active INTEGER NOT NULL DEFAULT 1,
           enablepop3 INTEGER NOT NULL DEFAULT 1, enableimap INTEGER NOT NULL DEFAULT 1);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {})
           INSERT INTO mailbox(username, password) SELECT 'u' || i || '@ex.test', 'pw' || i FROM n;",
        options.users
    );
    sql(sqlite, &database(dir), &statement);
}

fn write_config(dir: &Path, options: &Options, pop3: u16, imap: u16) {
    let owner = dir.metadata().unwrap();
    // As root, mail belongs to nobody; as another user, every part runs as that user and none can chroot.
    let (ids, uid, gid) = if owner.uid() == 0 {
        ("mail_uid = 65534\nmail_gid = 65534\n".to_owned(), 65534, 65534)
    } else {
        let [user, group] = ["-un", "-gn"].map(|option| {
            let output = Command::new("id").arg(option).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        });
        let services =
            ["anvil", "pop3-login", "imap-login"].map(|name| format!("service {name} {{\n  chroot =\n}}\n"));
        let ids = format!(
            "default_internal_user = {user}\ndefault_login_user = {user}\ndefault_internal_group = {group}\n{}",
            services.concat()
        );
        (ids, owner.uid(), owner.gid())
    };
    let mail = dir.join("mail");
    if !mail.exists() {
        std::fs::create_dir(&mail).unwrap();
        std::os::unix::fs::chown(&mail, Some(uid), Some(gid)).unwrap();
    }
    let cache = if options.cache {
        "auth_cache_size = 10M\nauth_cache_ttl = 1 hour\nauth_cache_negative_ttl = 1 hour\n"
    } else {
        ""
    };
    let (here, name, extra) = (dir.display(), name(dir), &options.extra);
    let config = format!(
        "base_dir = {here}/run
state_dir = {here}/state
log_path = {here}/dovecot.log
instance_name = {name}
listen = 127.0.0.1
protocols = pop3 imap
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain
auth_verbose = yes
auth_failure_delay = 0
mail_max_userip_connections = 100
first_valid_uid = 1
mail_location = maildir:{here}/mail/%u
{ids}passdb {{
  driver = sql
  args = {here}/sql.conf
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={here}/mail/%u
}}
# A refused login must not slow the next one from the same address down.
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
{cache}{extra}
"
    );
    std::fs::write(dir.join("dovecot.conf"), config).unwrap();
    let flag = "CASE '%Ls' WHEN 'pop3' THEN enablepop3 WHEN 'imap' THEN enableimap ELSE 1 END";
    let query = match options.style {
        Style::NotFound => format!(
            "SELECT username AS user, password FROM mailbox WHERE username = '%Lu' AND active = 1 AND ({flag}) = 1"
        ),
        Style::Nologin => format!(
            "SELECT username AS user, password, CASE WHEN ({flag}) = 1 THEN NULL ELSE 'Y' END AS nologin, \
             'POP3/IMAP access is disabled for this account' AS reason \
             FROM mailbox WHERE username = '%Lu' AND active = 1"
        ),
    };
    let database = database(dir);
    let sql = format!(
        "driver = sqlite\nconnect = {}\ndefault_pass_scheme = PLAIN\npassword_query = {query}\n",
        database.display()
    );
    std::fs::write(dir.join("sql.conf"), sql).unwrap();
}
