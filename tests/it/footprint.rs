//! How much memory a plan takes for each account: the ceiling that docs/performance.md states.

use std::fmt::Write as _;

use rusqlite::Connection;

use crate::world::World;

/// What one more account may cost, in bytes, from the files through the store to the plan. Names have 32 characters.
const CEILING: usize = 140;

/// Makes a world with so many accounts, all as they should be, and returns what planning takes at most, in bytes.
fn peak(accounts: usize) -> usize {
    let world = World::new();
    world.write(
        "popgate.yaml",
        "version: 1\ntargets:\n  t:\n    desired: desired\n    store: {type: sqlite, path: users.db, table: mailbox, \
         key: username, access: {columns: [pop3], enabled: 1, disabled: 0}}\n    service: {type: none}\n",
    );
    let name = |number: usize| format!("grace.wood{:07}@shop.example.org", number * 7_919 % 1_000_003);
    let mut files = vec!["pop3:\n".to_owned(); 20];
    let mut connection = Connection::open(world.path("users.db")).unwrap();
    let transaction = connection.transaction().unwrap();
    transaction
        .execute_batch("CREATE TABLE mailbox (username TEXT PRIMARY KEY, pop3 INTEGER NOT NULL)")
        .unwrap();
    for number in 0..accounts {
        writeln!(files[number % 20], "  {}: enabled", name(number)).unwrap();
        let mut insert = transaction.prepare_cached("INSERT INTO mailbox VALUES (?1, 1)").unwrap();
        insert.execute([name(number * 31 % accounts)]).unwrap();
    }
    transaction.commit().unwrap();
    for (number, text) in files.iter().enumerate() {
        world.write(&format!("desired/{number:02}.yaml"), text);
    }
    let mut plan = world.command("/usr/bin/time");
    plan.args(["-f", "%M", env!("CARGO_BIN_EXE_popgate"), "plan"]);
    let ran = world.run(plan, "");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("Nothing to change") || ran.stdout.contains("unchanged"), "{ran:?}");
    let kilobytes: usize = ran.stderr.lines().last().unwrap().trim().parse().unwrap();
    kilobytes * 1024
}

#[test]
fn an_account_more_takes_a_hundred_and_forty_bytes_at_most() {
    let (few, many) = (20_000, 220_000);
    let each = (peak(many) - peak(few)) / (many - few);
    assert!(each <= CEILING, "{each} bytes for each account");
    println!("{each} bytes for each account");
}
