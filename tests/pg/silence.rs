//! A server that says nothing while its network lives: told aloud, waited for, and left at once when
//! that is asked for.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pghaul::connect::Side;
use pghaul::event::{Counters, Event};
use pghaul::run::{CloneOptions, Ending, Outcome, Stop, options::Start};
use pghaul_testbed::proxy::Direction;
use pghaul_testbed::{Database, Major, Proxy};

use crate::harness::{OnEvent, clone, database, fill, options, prepare, recount};

/// What somebody does who was told of the silence.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Waits,
    AsksTwice,
}

async fn silent(side: Side, then: Then) {
    let (source, target) = (database(Major::V14, "mute_src"), database(Major::V18, "mute_dst"));
    fill(&source).await;
    let of = |database: &Database<'static>| Arc::new(Proxy::to(database.server()).unwrap());
    let (from, to) = (of(&source), of(&target));
    let mute = Arc::clone(if side == Side::Source { &from } else { &to });
    let (first, told) = (Mutex::new(false), Arc::new(Mutex::new(Vec::new())));
    let (heard, quiet) = (Arc::clone(&told), Arc::clone(&mute));
    let observer = OnEvent(move |event: &Event<'_>| match *event {
        Event::PieceCommitted { .. } if !std::mem::replace(&mut *first.lock().unwrap(), true) => {
            quiet.stall(Direction::ToServer);
            quiet.stall(Direction::ToClient);
        }
        Event::NoAnswer { side, since } => heard.lock().unwrap().push((side, since)),
        _ => {}
    });
    let slow =
        CloneOptions { max_rate: std::num::NonZeroU64::new(500_000), attempts: 50, ..options() };
    let (read, write) = (from.url(source.name()), to.url(target.name()));
    let prepared = prepare(&read, &write, slow).await.unwrap();
    let stop = Stop::default();
    let run =
        tokio::spawn(prepared.run(Arc::new(observer), Arc::new(Counters::default()), stop.clone()));
    while told.lock().unwrap().is_empty() {
        assert!(!run.is_finished(), "it does not wait");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (who, since) = told.lock().unwrap()[0];
    assert_eq!(who, side);
    assert!(since >= Duration::from_secs(30), "{since:?}");
    if then == Then::AsksTwice {
        stop.soon.cancel();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!run.is_finished(), "what is in flight is waited for");
        stop.now.cancel();
        let asked = Instant::now();
        let outcome: Outcome = run.await.unwrap().unwrap();
        assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
        assert_eq!(outcome.ending, Ending::Stopped);
        mute.heal();
        let resume = CloneOptions { start: Start::Resume, ..options() };
        clone(&source.url(), &target.url(), resume).await.unwrap();
    } else {
        mute.heal();
        let outcome = run.await.unwrap().unwrap();
        assert_eq!(outcome.ending, Ending::Complete);
    }
    assert_eq!(recount(&source).await, recount(&target).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_answer_is_named_and_can_be_left() {
    tokio::join!(
        silent(Side::Target, Then::AsksTwice),
        silent(Side::Source, Then::AsksTwice),
        silent(Side::Target, Then::Waits),
        silent(Side::Source, Then::Waits),
    );
}
