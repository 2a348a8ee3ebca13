//! Each stage of a plan on its own: `cargo bench`. Whole processes, and ratios to limits and to other programs, are
//! measured by `benches/run`.
#![expect(clippy::unwrap_used, reason = "a bench stops where something is wrong")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher, black_box};
use popgate::desired::{self, Desired, SourceFile};
use popgate::engine::window::Windows;
use popgate::journal::entry::Record;
use popgate::journal::fold::Ledger;
use popgate::journal::{Journal, Lock};
use popgate::model::{Access, AccountId, Live, LiveBuilder, Now, Origin, State};
use popgate::plan::policy::{
    Action, Drift, Limits, Missing, OnBlocked, Policy, Profile, RestartPolicy, Unlisted,
};
use popgate::plan::{Cause, Memory, Plan, PlanId, plan};
use popgate::report;
use popgate::stores::Reader as _;
use popgate::stores::sql::{Table, sqlite};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const SIZES: [usize; 2] = [1_000, 100_000];
/// As many as there are goals for, where a bench takes no minutes.
const LARGE: [usize; 3] = [1_000, 100_000, 1_000_000];

fn main() {
    divan::main();
}

fn name(number: usize) -> String {
    // In no order, as stores and people list them.
    format!("grace.wood{:07}@shop.example.org", number * 7_919 % 10_000_019)
}

fn access(number: usize) -> Access {
    if number % 10 < 7 { Access::Enabled } else { Access::Disabled }
}

fn file(count: usize, entry: impl Fn(String, Access) -> String) -> SourceFile {
    let entries: String = (0..count).map(|number| entry(name(number), access(number))).collect();
    SourceFile { path: "users.yaml".to_owned(), bytes: format!("pop3:\n{entries}").into_bytes() }
}

fn short(count: usize) -> SourceFile {
    file(count, |name, access| format!("  {name}: {access}\n"))
}

fn long(count: usize) -> SourceFile {
    file(count, |name, access| format!("  {name}:\n    access: {access}\n    reason: CHG-1234 moved\n"))
}

fn desired(count: usize) -> Desired {
    desired::read(vec![short(count)]).unwrap()
}

/// Accounts as desired, but for every `wrong`th.
fn live(count: usize, wrong: usize) -> Live {
    rows(count, wrong).finish().unwrap()
}

fn rows(count: usize, wrong: usize) -> LiveBuilder {
    let mut live = LiveBuilder::default();
    for number in (0..count).map(|number| number * 7_919 % count) {
        let access = match access(number) {
            Access::Enabled if number % wrong == 0 => Access::Disabled,
            access => access,
        };
        live.push(&name(number), &name(number), [], State::Is(access));
    }
    live
}

fn policy() -> Policy {
    let free = popgate::plan::policy::Share { percent: 100, always_allow: 10 };
    Policy {
        target: "t".to_owned(),
        unlisted: Unlisted::Keep,
        missing: Missing::Report,
        ignored: Vec::new(),
        protected: Vec::new(),
        drift: Drift::default(),
        guards: Limits { max_disable: free, max_enable: free, max_changes: u64::MAX, ..Limits::default() },
        on_blocked: OnBlocked::Enable,
        timezone: jiff::tz::TimeZone::UTC,
        own_store: true,
        service: Profile {
            key: "s".to_owned(),
            name: "s".to_owned(),
            action: Action::None,
            instances: Vec::new(),
        },
        restart: RestartPolicy::default(),
        windows: Windows::always(),
        refresh: Duration::from_mins(1),
    }
}

fn now() -> Now {
    Now { mono: Duration::ZERO, wall: "2026-08-22T12:00:00Z".parse().unwrap() }
}

fn planned(count: usize, wrong: usize) -> Plan {
    plan(&desired(count), &live(count, wrong), &Memory::default(), &policy(), now())
}

/// A directory with one file, on the disk.
fn written(source: &SourceFile) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = directory.path().join(&source.path);
    std::fs::write(&path, &source.bytes).unwrap();
    (directory, path)
}

/// The least that anybody has to do who reads users from a file: read it, and find the ends of its lines.
#[divan::bench(args = LARGE)]
fn read_and_find_lines(bencher: Bencher<'_, '_>, count: usize) {
    let (_directory, path) = written(&short(count));
    let ends = |bytes: &[u8]| bytes.iter().map(|byte| usize::from(*byte == b'\n')).sum::<usize>();
    let lines = || ends(&std::fs::read(&path).unwrap());
    bencher.counter(ItemsCount::new(count)).bench_local(lines);
}

#[divan::bench(args = LARGE)]
fn read_and_parse_plain(bencher: Bencher<'_, '_>, count: usize) {
    read_and_parse(bencher, count, &short(count));
}

#[divan::bench(args = LARGE)]
fn read_and_parse_plain_with_fields(bencher: Bencher<'_, '_>, count: usize) {
    read_and_parse(bencher, count, &long(count));
}

fn read_and_parse(bencher: Bencher<'_, '_>, count: usize, source: &SourceFile) {
    let (_directory, path) = written(source);
    bencher.counter(ItemsCount::new(count)).bench_local(|| {
        let bytes = std::fs::read(&path).unwrap();
        desired::parse(SourceFile { path: "users.yaml".to_owned(), bytes })
    });
}

/// The SHA-256 of which the digest is made.
#[divan::bench(args = LARGE)]
fn hash(bencher: Bencher<'_, '_>, count: usize) {
    let files = [short(count)];
    bencher.counter(ItemsCount::new(count)).bench_local(|| desired::digest(&files));
}

/// A file that only the full decoder reads.
fn odd(count: usize) -> SourceFile {
    file(count, |name, access| format!("  {name} : {access}\n"))
}

#[divan::bench(args = LARGE)]
fn parse_any_yaml(bencher: Bencher<'_, '_>, count: usize) {
    bencher.counter(ItemsCount::new(count)).with_inputs(|| odd(count)).bench_values(desired::parse);
}

/// On two threads, half of the entries on each.
#[divan::bench(args = LARGE)]
fn parse_any_yaml_by_two(bencher: Bencher<'_, '_>, count: usize) {
    let halves = || [odd(count / 2), odd(count / 2)];
    bencher.counter(ItemsCount::new(count)).with_inputs(halves).bench_values(|[one, other]| {
        std::thread::scope(|scope| {
            let one = scope.spawn(|| desired::parse(one));
            let other = desired::parse(other);
            (one.join().unwrap(), other)
        })
    });
}

/// The least that anybody who uses the same decoder has to do.
#[divan::bench(args = LARGE)]
fn decode_any_yaml_barely(bencher: Bencher<'_, '_>, count: usize) {
    type File = HashMap<String, HashMap<String, String>>;
    let bytes = odd(count).bytes;
    bencher.counter(ItemsCount::new(count)).bench_local(|| serde_yaml::from_slice::<File>(&bytes).unwrap());
}

/// A table of accounts in a file, in an order of its own.
fn database(count: usize) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = directory.path().join("users.db");
    let mut connection = rusqlite::Connection::open(&path).unwrap();
    let transaction = connection.transaction().unwrap();
    transaction.execute_batch("CREATE TABLE pop3 (user TEXT PRIMARY KEY, access TEXT NOT NULL)").unwrap();
    for number in (0..count).map(|number| number * 7_919 % count) {
        let mut insert = transaction.prepare_cached("INSERT INTO pop3 VALUES (?1, ?2)").unwrap();
        insert.execute([name(number).as_str(), access(number).word()]).unwrap();
    }
    transaction.commit().unwrap();
    (directory, path)
}

#[divan::bench(args = LARGE)]
fn sqlite_read(bencher: Bencher<'_, '_>, count: usize) {
    let (_directory, path) = database(count);
    let store = sqlite::open(Table::own(path));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    bencher.counter(ItemsCount::new(count)).bench_local(|| runtime.block_on(store.read()).unwrap());
}

/// The part of a read in which its rows are there and become an index of names.
#[divan::bench(args = LARGE)]
fn sqlite_read_its_index(bencher: Bencher<'_, '_>, count: usize) {
    bencher
        .counter(ItemsCount::new(count))
        .with_inputs(|| rows(count, count))
        .bench_values(|rows| rows.finish().unwrap());
}

/// The least that anybody who reads the table has to do.
#[divan::bench(args = LARGE)]
fn sqlite_bare_scan(bencher: Bencher<'_, '_>, count: usize) {
    let (_directory, path) = database(count);
    bencher.counter(ItemsCount::new(count)).bench_local(|| {
        let connection = rusqlite::Connection::open(&path).unwrap();
        let mut statement = connection.prepare("SELECT user, access FROM pop3").unwrap();
        let mut rows = statement.query([]).unwrap();
        let mut bytes = 0;
        while let Some(row) = rows.next().unwrap() {
            let length = |column| row.get_ref(column).unwrap().as_bytes().unwrap().len();
            bytes += length(0) + length(1);
        }
        bytes
    });
}

#[divan::bench(args = SIZES)]
fn assemble(bencher: Bencher<'_, '_>, count: usize) {
    let parsed = || vec![desired::parse(short(count))];
    bencher
        .counter(ItemsCount::new(count))
        .with_inputs(parsed)
        .bench_values(|files| desired::assemble(files).unwrap());
}

#[divan::bench(args = SIZES)]
fn resolve_one_by_one(bencher: Bencher<'_, '_>, count: usize) {
    let (desired, live) = (desired(count), live(count, count));
    let found = || {
        desired.as_written().filter(|entry| live.resolve(entry.name) != popgate::model::Match::None).count()
    };
    bencher.counter(ItemsCount::new(count)).bench_local(found);
}

#[divan::bench(args = LARGE)]
fn resolve_together(bencher: Bencher<'_, '_>, count: usize) {
    let (desired, live) = (desired(count), live(count, count));
    bencher.counter(ItemsCount::new(count)).bench_local(|| {
        let mut found = 0;
        live.resolve_all(
            desired.as_written(),
            |entry| entry.name.as_bytes(),
            |_, meaning| found += usize::from(meaning != popgate::model::Match::None),
        );
        found
    });
}

#[divan::bench(args = LARGE)]
fn diff_without_a_change(bencher: Bencher<'_, '_>, count: usize) {
    diff(bencher, count, usize::MAX);
}

#[divan::bench(args = SIZES)]
fn diff_with_one_change_in_a_hundred(bencher: Bencher<'_, '_>, count: usize) {
    diff(bencher, count, 100);
}

fn diff(bencher: Bencher<'_, '_>, count: usize, wrong: usize) {
    let (desired, live, memory, policy) = (desired(count), live(count, wrong), Memory::default(), policy());
    bencher.counter(ItemsCount::new(count)).bench_local(|| plan(&desired, &live, &memory, &policy, now()));
}

#[divan::bench(args = SIZES)]
fn render_text(bencher: Bencher<'_, '_>, count: usize) {
    let plan = planned(count, 1);
    let view = report::text::View {
        color: false,
        commit: None,
        directory: "desired-state".to_owned(),
        timezone: jiff::tz::TimeZone::UTC,
        extent: report::Extent::default(),
        rooted: "desired-state".to_owned(),
    };
    bencher.counter(ItemsCount::new(plan.changes.len())).bench_local(|| {
        let mut out = String::new();
        report::text::plan(&plan, &view, &mut out).unwrap();
        out
    });
}

#[divan::bench(args = SIZES)]
fn render_json(bencher: Bencher<'_, '_>, count: usize) {
    let plans = [planned(count, 1)];
    bencher.counter(ItemsCount::new(plans[0].changes.len())).bench_local(|| {
        let mut out = String::new();
        report::json::plans(&plans, &[None], 0, "success", &mut out).unwrap();
        out
    });
}

/// The records of a batch, as the engine groups them: intents and their closing line, then outcomes.
fn records(count: usize) -> Vec<Record> {
    let mut records = vec![Record::Batch {
        target: "t".to_owned(),
        batch: 1,
        plan: PlanId::from_text("0123456789ab"),
        digest: desired(1).digest(),
        commit: None,
        author: None,
        service: "s".to_owned(),
        instances: Vec::new(),
        by: "bench".to_owned(),
    }];
    records.extend((0..count).map(|number| Record::Intent {
        batch: 1,
        account: AccountId::new(name(number)),
        name: name(number),
        from: State::Is(Access::Disabled),
        to: Access::Enabled,
        cause: Cause::Listed(Origin { file: "users.yaml".to_owned(), line: 7, column: 3 }),
        reason: None,
        counted: true,
    }));
    records.push(Record::Chunk { batch: 1, count: count as u64 });
    records
}

#[divan::bench(args = [1, 1_000])]
fn journal_append_and_sync(bencher: Bencher<'_, '_>, count: usize) {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let lock = Lock::take_on_any_file_system(directory.path()).unwrap();
    let (mut journal, _) = Journal::open(directory.path(), lock).unwrap();
    let records = records(count);
    bencher
        .counter(ItemsCount::new(count))
        .bench_local(|| journal.append(now().wall, &records, true).unwrap());
}

#[divan::bench(args = [1, 1_000])]
fn append_and_sync_as_many_bytes(bencher: Bencher<'_, '_>, count: usize) {
    use std::io::Write as _;
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let bytes = vec![b'x'; 300 * (count + 2)];
    let mut file = std::fs::File::create(directory.path().join(Path::new("file"))).unwrap();
    bencher.counter(ItemsCount::new(count)).bench_local(|| {
        file.write_all(&bytes).unwrap();
        file.sync_data().unwrap();
    });
}

#[divan::bench(args = [1_000, 100_000])]
fn fold(bencher: Bencher<'_, '_>, count: usize) {
    let records = records(count);
    bencher.counter(ItemsCount::new(count)).bench_local(|| {
        let mut ledger = Ledger::default();
        for (seq, record) in (1..).zip(&records) {
            ledger.apply(seq, now().wall, record);
        }
        black_box(ledger)
    });
}
