//! A server that is a string of bytes, a driver that tells what it hears, and taps.

use std::future::poll_fn;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;

use super::*;
use crate::connect::socket::Transport;

/// Runs a test in a thread of its own. Whoever forgets to wake somebody, or turns in circles, fails it
/// instead of keeping all tests waiting.
fn in_time(test: impl Future<Output = ()> + Send + 'static) {
    const ENOUGH: Duration = Duration::from_secs(60);
    let (over, ended) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        let _over = over;
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
    });
    if ended.recv_timeout(ENOUGH) == Err(RecvTimeoutError::Timeout) {
        panic!("it hangs: somebody waits for bytes that are there, or for who will not come");
    }
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[kind][..], &length, body].concat()
}

fn row(size: usize, number: usize) -> Vec<u8> {
    (0..size).map(|byte| u8::try_from((byte * 7 + number) % 251).unwrap()).collect()
}

fn rows(sizes: &[usize]) -> Vec<u8> {
    sizes.iter().enumerate().flat_map(|(number, size)| row(*size, number)).collect()
}

/// A COPY of rows of these sizes, with a notice behind the second.
fn copy(sizes: &[usize]) -> Vec<u8> {
    let mut stream = message(b'H', &[1, 0, 0]);
    for (number, size) in sizes.iter().enumerate() {
        stream.extend(message(b'd', &row(*size, number)));
        if number == 1 {
            stream.extend(message(b'N', b"a notice"));
        }
    }
    [stream, message(b'c', b""), message(b'C', b"COPY"), message(b'Z', b"I")].concat()
}

/// The kinds of messages that the driver hears, one after the other, until the end.
struct Driver {
    wire: Shared,
    heard: mpsc::UnboundedReceiver<u8>,
    task: tokio::task::JoinHandle<io::Result<()>>,
}

impl Driver {
    fn start() -> (DuplexStream, Self) {
        // Much more than is read at once.
        let (server, client) = duplex(1 << 20);
        let mut transport = Transport::plain(Box::new(client));
        let wire = transport.wire();
        let (tell, heard) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            loop {
                let mut header = [0; HEADER];
                if transport.read_exact(&mut header[..1]).await.is_err() {
                    return Ok(());
                }
                transport.read_exact(&mut header[1..]).await?;
                let (kind, length) = super::message(&header).unwrap();
                transport.read_exact(&mut vec![0; length]).await?;
                let _ = tell.send(kind);
            }
        });
        (server, Self { wire, heard, task })
    }

    /// Waits for messages of these kinds and no others.
    async fn hears(&mut self, kinds: &[u8]) {
        for kind in kinds {
            let heard = self.heard.recv().await.map(char::from);
            assert_eq!(heard, Some(char::from(*kind)));
        }
    }
}

async fn next(tap: &mut Tap) -> Option<Bytes> {
    poll_fn(|cx| tap.poll_data(cx)).await
}

async fn drain(tap: &mut Tap) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(data) = next(tap).await {
        all.extend_from_slice(&data);
    }
    all
}

/// Sends bytes in pieces, and keeps the connection until it is dropped.
fn send(mut server: DuplexStream, stream: Vec<u8>, size: usize) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        for piece in stream.chunks(size) {
            server.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        std::future::pending::<()>().await;
    })
}

#[test]
fn data_goes_to_the_tap_and_all_else_to_the_driver_wherever_the_stream_is_cut() {
    in_time(async {
        let small: &[usize] = &[10, 0, 300, 3];
        let large: &[usize] = &[10, 0, WHOLE, 3, WHOLE + 1, 5 * READ, 1];
        for (sizes, pieces) in [
            (small, 1),
            (small, 4),
            (small, 5),
            (small, 6),
            (large, 100),
            (large, WHOLE),
            (large, READ),
        ] {
            let (server, mut driver) = Driver::start();
            let asked = driver.wire.ask();
            let _server = send(server, copy(sizes), pieces);
            driver.hears(b"H").await;
            let taken = drain(&mut asked.begun()).await;
            assert!(taken == rows(sizes), "in pieces of {pieces}");
            driver.hears(b"NcCZ").await;
        }
    });
}

#[test]
fn many_small_rows_come_at_once_and_are_not_cut() {
    in_time(async {
        let (server, mut driver) = Driver::start();
        let asked = driver.wire.ask();
        let _server = send(server, copy(&[1000; 500]), 1 << 20);
        driver.hears(b"H").await;
        let mut tap = asked.begun();
        let (mut chunks, mut bytes) = (0, 0);
        while let Some(data) = next(&mut tap).await {
            assert_eq!(data.len() % 1000, 0);
            assert!(data.len() <= READ + WHOLE);
            bytes += data.len();
            chunks += 1;
        }
        assert_eq!(bytes, 500_000);
        assert!(chunks < 100, "{chunks}");
    });
}

#[test]
fn a_large_row_comes_in_pieces_and_no_faster_than_it_is_taken() {
    in_time(async {
        let (server, mut driver) = Driver::start();
        let asked = driver.wire.ask();
        let _server = send(server, copy(&[20 << 20, 5]), 1 << 20);
        driver.hears(b"H").await;
        let mut tap = asked.begun();
        let mut left = (20 << 20) + 5;
        while let Some(data) = next(&mut tap).await {
            assert!(data.len() <= READ + WHOLE);
            left -= data.len();
            let wire = tap.wire.lock();
            assert!(wire.ahead.capacity() + wire.for_tap.capacity() < 5 * READ);
            assert!(wire.for_driver.len() < READ);
        }
        assert_eq!(left, 0);
    });
}

#[test]
fn copies_that_were_asked_for_together_are_kept_apart() {
    in_time(async {
        for pieces in [1, 7, 1000, 1 << 20] {
            let (server, mut driver) = Driver::start();
            let [first, second, third, fourth] = std::array::from_fn(|_| driver.wire.ask());
            let refusal = [message(b'E', b"no"), message(b'Z', b"T")].concat();
            let all = [copy(&[10, 20, 30]), refusal, copy(&[3000, 7]), copy(&[5])].concat();
            let _server = send(server, all, pieces);
            driver.hears(b"H").await;
            assert_eq!(drain(&mut first.begun()).await, rows(&[10, 20, 30]));
            driver.hears(b"NcCZEZ").await;
            second.failed();
            driver.hears(b"H").await;
            assert_eq!(drain(&mut third.begun()).await, rows(&[3000, 7]));
            driver.hears(b"NcCZH").await;
            assert_eq!(drain(&mut fourth.begun()).await, rows(&[5]));
            driver.hears(b"cCZ").await;
        }
    });
}

#[test]
fn the_next_copy_waits_for_what_is_left_of_the_one_before() {
    in_time(async {
        let (mut server, mut driver) = Driver::start();
        let [first, second] = std::array::from_fn(|_| driver.wire.ask());
        // All of it lies in one read.
        server.write_all(&[copy(&[10, 20]), copy(&[30, 40])].concat()).await.unwrap();
        driver.hears(b"H").await;
        let mut first = first.begun();
        // Sorted as far as the end of the first, whose data nobody has taken yet.
        driver.hears(b"Nc").await;
        assert_eq!(driver.wire.lock().begun, 1);
        assert_eq!(drain(&mut first).await, rows(&[10, 20]));
        driver.hears(b"CZH").await;
        assert_eq!(drain(&mut second.begun()).await, rows(&[30, 40]));
    });
}

#[test]
fn data_that_nobody_wants_is_thrown_away() {
    in_time(async {
        for (pieces, taken) in [(1, 1), (1000, 1), (1 << 20, 1), (1000, 0), (1 << 20, 0)] {
            let (server, mut driver) = Driver::start();
            let [first, second] = std::array::from_fn(|_| driver.wire.ask());
            let stream = [copy(&[10, 3 * READ, 700, 5]), copy(&[9])].concat();
            let _server = send(server, stream, pieces);
            driver.hears(b"H").await;
            let mut tap = first.begun();
            for _ in 0..taken {
                next(&mut tap).await;
            }
            drop(tap);
            driver.hears(b"NcCZH").await;
            assert_eq!(drain(&mut second.begun()).await, rows(&[9]));
        }
    });
}

#[test]
fn copies_that_were_given_up_unanswered_leave_the_session_in_order() {
    in_time(async {
        let (server, mut driver) = Driver::start();
        let [first, second, third] = std::array::from_fn(|_| driver.wire.ask());
        let stream = [copy(&[10, 5 * READ]), copy(&[9]), copy(&[8])].concat();
        let _server = send(server, stream, 1000);
        driver.hears(b"H").await;
        drop(first);
        driver.hears(b"NcCZ").await;
        drop(second);
        // Whose data this is only the driver knows from now on.
        driver.hears(b"HdcCZ").await;
        driver.hears(b"HdcCZ").await;
        assert_eq!(next(&mut third.begun()).await, None);
    });
}

#[test]
fn an_error_in_the_middle_and_a_lost_connection_are_the_drivers() {
    in_time(async {
        let (mut server, mut driver) = Driver::start();
        let [first, second] = std::array::from_fn(|_| driver.wire.ask());
        let failed = [
            message(b'H', &[1, 0, 0]),
            message(b'd', &row(10, 0)),
            message(b'E', b"cancelled"),
            message(b'Z', b"E"),
        ];
        server.write_all(&failed.concat()).await.unwrap();
        driver.hears(b"H").await;
        assert_eq!(drain(&mut first.begun()).await, rows(&[10]));
        driver.hears(b"EZ").await;
        let cut = [message(b'H', &[1, 0, 0]), message(b'd', &row(10, 0)), vec![b'd', 0, 0]];
        server.write_all(&cut.concat()).await.unwrap();
        driver.hears(b"H").await;
        let mut tap = second.begun();
        assert_eq!(next(&mut tap).await.as_deref(), Some(&row(10, 0)[..]));
        drop(server);
        assert_eq!(next(&mut tap).await, None);
        let end = driver.task.await.unwrap();
        assert_eq!(end.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    });
}

#[test]
fn who_waits_for_data_hears_that_the_driver_is_gone() {
    in_time(async {
        let (mut server, mut driver) = Driver::start();
        let asked = driver.wire.ask();
        server.write_all(&message(b'H', &[1, 0, 0])).await.unwrap();
        driver.hears(b"H").await;
        let mut tap = asked.begun();
        let waiting = next(&mut tap);
        tokio::pin!(waiting);
        assert!(futures::poll!(waiting.as_mut()).is_pending());
        driver.task.abort();
        assert_eq!(waiting.await, None);
        // And the server that the connection is closed.
        assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
    });
}

#[test]
fn rows_that_come_by_another_way_than_copy_are_the_drivers() {
    in_time(async {
        let (server, mut driver) = Driver::start();
        let stream =
            [message(b'T', b"columns"), message(b'D', &row(3 * READ, 0)), message(b'Z', b"I")];
        let _server = send(server, stream.concat(), 1000);
        driver.hears(b"TDZ").await;
    });
}
