//! What differs between two histories from the beginning: policy, sizes, services, the time of day.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use popgate::engine::window::{Days, Hours, Kind, Verdict, Window, Windows};
use popgate::engine::{Goal, Mode, Watch};
use popgate::model::{Access, AccountId};
use popgate::name::Glob;
use popgate::plan::policy::{
    Action, Drift, Limits, Missing, OnBlocked, OnDrift, Policy, Profile, RestartPolicy, Share, Unlisted,
};
use popgate::services::Instance;

use crate::files::{Files, Model};
use crate::random::Random;
use crate::seen::Seen;
use crate::service::{Shows, Unit};
use crate::store::Store;

/// The only service; every target writes for it.
pub(crate) const SERVICE: &str = "pop3";

pub(crate) struct TargetWorld {
    pub(crate) policy: Policy,
    pub(crate) chunk_size: usize,
    pub(crate) store: Store,
    pub(crate) files: Files,
    /// How long a write may take to reach all servers of the store, as the engine is told, and how long it takes.
    pub(crate) replication: Option<Duration>,
    pub(crate) spread: Duration,
    /// When a change last reached an account, and which.
    pub(crate) reached: BTreeMap<AccountId, (Duration, Access)>,
}

pub(crate) struct Setup {
    pub(crate) targets: BTreeMap<String, TargetWorld>,
    pub(crate) units: Vec<Unit>,
    pub(crate) base: Timestamp,
    pub(crate) mode: Mode,
    /// How long faults go on.
    pub(crate) faults_for: Duration,
}

impl Setup {
    pub(crate) fn new(seed: u64, random: &mut Random) -> Self {
        let shows = random.pick(&[Shows::Identity, Shows::Identity, Shows::Age, Shows::Nothing]);
        let count = 1 + random.below(2);
        let instances: Vec<Instance> = (0..count)
            .map(|number| Instance { server: format!("s{number}"), service: SERVICE.to_owned() })
            .collect();
        let restart = RestartPolicy {
            quiet: random.pick(&[Duration::from_secs(1), Duration::from_secs(30)]),
            max_delay: Duration::from_mins(15),
            min_interval: random.pick(&[Duration::from_mins(1), Duration::from_mins(10)]),
        };
        let windows = windows(random);
        let profile = Profile {
            key: SERVICE.to_owned(),
            name: SERVICE.to_owned(),
            action: if random.chance(100) { Action::Manual } else { Action::Restart },
            instances: instances.clone(),
        };
        if count > 1 {
            random.saw(Seen::TwoInstances);
        }
        let names: &[&str] = if random.chance(300) { &["one", "two"] } else { &["one"] };
        if names.len() > 1 {
            random.saw(Seen::TwoTargets);
        }
        let mut targets = BTreeMap::new();
        for name in names {
            let policy = policy(name, &profile, restart, &windows, random);
            let size = 3 + random.below(9);
            let store = Store::new(size, policy.missing == Missing::Create, random);
            let model = first_model(&store, random);
            let files = Files::new(model, random);
            let chunk_size = 1 + random.below(4);
            let replication = random.chance(250).then(|| random.millis(10_000, 900_000));
            let spread = replication.map_or(Duration::ZERO, |_| random.millis(0, 1_200_000));
            let reached = BTreeMap::new();
            let target = TargetWorld { policy, chunk_size, store, files, replication, spread, reached };
            targets.insert((*name).to_owned(), target);
        }
        // In the evening, so that the day may end while faults go on, and never later.
        let base: Timestamp = "2030-03-04T19:00:00Z".parse().expect("a time");
        let base = base + SignedDuration::from_mins(i64::try_from(random.below(290)).expect("small"));
        let watch = Watch {
            quiet: Duration::from_millis(500),
            max_wait: Duration::from_secs(5),
            resync: random.pick(&[Duration::from_mins(1), Duration::from_mins(10)]),
        };
        Self {
            targets,
            units: instances.into_iter().map(|instance| Unit::new(instance, shows, random)).collect(),
            base,
            mode: Mode {
                goal: Goal::Run,
                present: false,
                only: None,
                limit: None,
                by: "sim".to_owned(),
                watch,
                seed,
            },
            faults_for: Duration::from_mins(10 + random.below(170) as u64),
        }
    }
}

/// Always; every six hours for two hours, for restarts only, for writes as well, for writes only. Made once: that
/// takes a while.
static WINDOWS: LazyLock<[Windows; 4]> = LazyLock::new(|| {
    let sometimes =
        [vec![Kind::Restarts], vec![Kind::Restarts, Kind::Writes], vec![Kind::Writes]].map(|kinds| {
            let window = |hours: &str| Window {
                verdict: Verdict::Allow,
                kinds: kinds.iter().copied().collect::<BTreeSet<_>>(),
                days: Days::EVERY,
                hours: hours.parse::<Hours>().expect("hours"),
            };
            let hours = ["00:00-02:00", "06:00-08:00", "12:00-14:00", "18:00-20:00"];
            Windows::new(&hours.map(window), TimeZone::UTC)
        });
    let [restarts, both, writes] = sometimes;
    [Windows::always(), restarts, both, writes]
});

fn windows(random: &mut Random) -> Windows {
    let which = if random.chance(600) { 0 } else { 1 + random.below(2) };
    WINDOWS[which].clone()
}

/// The same windows for writes, and none for restarts.
pub(crate) fn for_writes_only(windows: &Windows) -> Windows {
    let both = *windows == WINDOWS[2];
    WINDOWS[if both { 3 } else { 0 }].clone()
}

fn policy(
    target: &str,
    profile: &Profile,
    restart: RestartPolicy,
    windows: &Windows,
    random: &mut Random,
) -> Policy {
    let on_drift = |random: &mut Random| random.pick(&[OnDrift::Restore, OnDrift::Report]);
    let share = |random: &mut Random| Share { percent: 20, always_allow: 1 + random.below(6) as u64 };
    Policy {
        target: target.to_owned(),
        unlisted: if random.chance(300) { Unlisted::Disable } else { Unlisted::Keep },
        missing: if random.chance(250) { Missing::Create } else { Missing::Report },
        ignored: vec![Glob::new("health*")],
        protected: vec![Glob::new("boss*")],
        drift: Drift { enabled_by_hand: on_drift(random), disabled_by_hand: on_drift(random) },
        guards: Limits {
            max_disable: share(random),
            max_enable: share(random),
            max_changes: 3 + random.below(20) as u64,
            first_contact: random.chance(500),
            ..Limits::default()
        },
        on_blocked: random.pick(&[OnBlocked::Enable, OnBlocked::All]),
        timezone: TimeZone::UTC,
        own_store: random.chance(300),
        service: profile.clone(),
        restart,
        windows: windows.clone(),
        refresh: random.pick(&[Duration::from_mins(5), Duration::from_hours(1)]),
    }
}

fn first_model(store: &Store, random: &mut Random) -> Model {
    let mut model = Model::new();
    for id in store.ordinary() {
        if random.chance(700) {
            let access = if random.chance(500) { Access::Enabled } else { Access::Disabled };
            model.insert(store.accounts[&id].name.clone(), (access, None));
        }
    }
    model
}
