//! The whole way: a damaged database is cloned, the clone repaired, what could not be built is
//! built, and the clone still verifies against its source.

use pghaul::connect::{Endpoint, Side};
use pghaul::duplicates::plan::{self, PlanOptions};
use pghaul::duplicates::rules::Rules;
use pghaul::event::Counters;
use pghaul::run::{CloneOptions, Ending, Stop, options::Start};
use pghaul::verify::pairs::PairKind;
use pghaul::verify::{PreparedVerify, VerifyOptions, VerifyOutcome};
use pghaul_testbed::damage::{Damage, Recipe};
use pghaul_testbed::mastodon::{self, Version};
use pghaul_testbed::{Database, Major, Role};

use super::mastodon::{equal, small};
use super::{Paper, clean, digests, endpoint, majors, plan_mastodon, repair, undo};
use crate::harness::{clone, database, options};

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_is_repaired_finished_and_verified() {
    let source = small(Major::V9_6, Version::V3_5_3, "damaged");
    let target = database(Major::V18, "repaired");
    let session = source.connect().await.unwrap();
    for damage in [
        mastodon::duplicate_statuses(Recipe::MissingEntries).groups(10),
        mastodon::duplicate_accounts(Recipe::MissingEntries).groups(5),
        // A primary key that cannot be built, with the foreign keys to it.
        Damage::new("reports_pkey", Recipe::MissingEntries).groups(2),
    ] {
        damage.plant(&session).await.unwrap();
    }
    let before = digests(&source).await;
    let outcome = clone(&source.url(), &target.url(), options()).await.unwrap();
    assert_eq!(outcome.ending, Ending::Complete);
    assert!(outcome.findings.iter().any(|finding| finding.code.contains("duplicate")));

    let paper = Paper::new();
    let rules = PlanOptions { rules: Rules::mastodon().unwrap(), ..PlanOptions::default() };
    let from = Endpoint::parse(Side::Source, &source.url()).unwrap();
    let counters = Counters::default();
    let planned =
        plan::plan(&endpoint(&target.url()), Some(&from), &rules, &paper.plan(), &counters)
            .await
            .unwrap();
    assert_eq!(planned.counts.questions, 0, "{:?}", planned.findings);
    assert_eq!(planned.counts.groups - planned.counts.collisions, 17);
    let repaired = repair(&target.url(), &paper.plan()).await.unwrap();
    assert_eq!(repaired.skipped, 0, "{:?}", repaired.findings);

    let resume = CloneOptions { start: Start::Resume, ..options() };
    let outcome = clone(&source.url(), &target.url(), resume).await.unwrap();
    assert_eq!(outcome.ending, Ending::Complete);
    clean(&target).await;
    let missing =
        "select count(*) from pg_index where indrelid = 'reports'::regclass and indisprimary";
    assert_eq!(target.value(missing).await.unwrap().as_deref(), Some("1"));

    // Equal, but for what the repair accounts for.
    let outcome = compared(&source, &target).await;
    let unequal: Vec<String> = outcome
        .tables
        .iter()
        // A materialized view shows the rows of when it was refreshed.
        .filter(|table| !table.equal && table.kind == PairKind::Tables)
        .map(|table| table.name.to_string())
        .collect();
    assert!(unequal.is_empty(), "{unequal:?}");
    let noted = outcome.findings.iter().filter(|finding| finding.code == "repaired").count();
    assert!(noted > 5, "{:?}", outcome.findings);

    // And back: the foreign keys that need an index go with it.
    let undone = undo(&target.url(), true).await.unwrap();
    assert!(undone.rows > 0);
    assert_eq!(before.len(), digests(&target).await.len());
}

/// What verify says about two databases.
pub(super) async fn compared(source: &Database<'_>, target: &Database<'_>) -> VerifyOutcome {
    let from = Endpoint::parse(Side::Source, &source.url()).unwrap();
    let to = Endpoint::parse(Side::Target, &target.url()).unwrap();
    let verify = VerifyOptions { pg_dump: options().pg_dump, ..VerifyOptions::default() };
    let prepared = PreparedVerify::new(from, to, verify).await.unwrap();
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1024);
    let company = (
        std::sync::Arc::new(()) as std::sync::Arc<dyn pghaul::event::Observer>,
        std::sync::Arc::new(Counters::default()),
        Stop::default(),
    );
    let outcome = prepared.run(company, sender).await.unwrap();
    receiver.close();
    outcome
}

/// Gives a role all tables, and the right to make the schema.
pub(crate) async fn own(database: &Database<'_>, role: &Role) {
    let name = &role.name;
    database
        .execute(format!(
            "do $$ declare t text; begin \
               for t in select c.oid::regclass::text from pg_class c \
                        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'm', 'v') loop \
                 execute 'alter table ' || t || ' owner to \"{name}\"'; \
               end loop; end $$; \
             grant create on database \"{}\" to \"{name}\"; grant all on schema public to \"{name}\"",
            database.name()
        ))
        .await
        .unwrap();
}

/// Who owns the tables, and nothing more: foreign keys cannot be kept quiet.
#[tokio::test(flavor = "multi_thread")]
async fn the_owner_can_repair() {
    for major in majors(&[Major::V9_6, Major::V14, Major::V18]) {
        let database = small(major, Version::V3_5_3, "owner");
        let session = database.connect().await.unwrap();
        for damage in [
            mastodon::duplicate_statuses(Recipe::DoubleEntries).groups(6),
            mastodon::duplicate_conversations(Recipe::MissingEntries).groups(4),
            Damage::new("reports_pkey", Recipe::DoubleEntries).groups(2),
        ] {
            damage.plant(&session).await.unwrap();
        }
        let role = Role::create(database.server(), "owner", "").unwrap();
        own(&database, &role).await;
        let before = digests(&database).await;
        let url = database.url_as(&role);
        let paper = Paper::new();
        let planned = plan_mastodon(&url, &paper.plan()).await.unwrap();
        assert_eq!(planned.counts.questions, 0, "{:?}", planned.findings);
        let repaired = repair(&url, &paper.plan()).await.unwrap();
        assert_eq!(repaired.skipped, 0, "{:?}", repaired.findings);
        clean(&database).await;
        undo(&url, true).await.unwrap();
        equal(&before, &digests(&database).await);
    }
}
