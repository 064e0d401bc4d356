//! One connection through the proxy: two lanes, each a reader that stamps what it reads and a
//! writer that passes it on when its time has come and no fault forbids it.
//!
//! Invariant: bytes are counted, and faults strike, at the moment of writing; what a lane has
//! written is exactly the beginning of what it has read.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::control::{Commit, Control, Direction, Strike, Weather, as_bytes, lock};
use super::conversation::{Conversation, End};

/// What is read at once, and how many such pieces may be under way in one direction.
const PIECE: usize = 64 * 1024;
const UNDER_WAY: usize = 256;

struct Link {
    control: Arc<Control>,
    conversation: Mutex<Conversation>,
    cut: CancellationToken,
    frozen: CancellationToken,
    /// The answer to the last COMMIT is to be lost.
    doomed: CancellationToken,
    /// Bytes written since the connection began.
    written: [Mutex<u64>; 2],
    /// The server has spoken last.
    answered: AtomicBool,
}

type Piece = (Instant, Vec<u8>);

/// Carries a connection until both sides have closed or a fault cuts it.
pub(crate) async fn carry(
    mut client: TcpStream,
    mut server: TcpStream,
    control: Arc<Control>,
    cut: CancellationToken,
) {
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let link = Link {
        control,
        conversation: Mutex::new(Conversation::new()),
        cut,
        frozen: CancellationToken::new(),
        doomed: CancellationToken::new(),
        written: [Mutex::new(0), Mutex::new(0)],
        answered: AtomicBool::new(true),
    };
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let both = async {
        tokio::join!(
            link.lane(Direction::ToServer, from_client, to_server),
            link.lane(Direction::ToClient, from_server, to_client)
        )
    };
    let was_cut = tokio::select! {
        biased;
        () = link.cut.cancelled() => true,
        () = link.past_healing() => true,
        _ = both => false,
    };
    if was_cut {
        // A reset, which neither side can take for the other's orderly end.
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    }
}

impl Link {
    async fn lane(&self, direction: Direction, mut from: ReadHalf<'_>, to: WriteHalf<'_>) {
        let (queue, pieces) = mpsc::channel::<Piece>(UNDER_WAY);
        let weather = self.control.weather();
        let read = async {
            let mut buffer = vec![0; PIECE];
            loop {
                match from.read(&mut buffer).await {
                    Ok(0) => break,
                    Ok(count) => {
                        let due = Instant::now() + weather.borrow().latency[direction.index()];
                        if queue.send((due, buffer[..count].to_vec())).await.is_err() {
                            break;
                        }
                    }
                    // A reset is passed on as a reset.
                    Err(_) => {
                        self.cut.cancel();
                        break;
                    }
                }
            }
            drop(queue);
        };
        tokio::join!(read, self.write(direction, pieces, to));
    }

    async fn write(
        &self,
        direction: Direction,
        mut pieces: mpsc::Receiver<Piece>,
        mut to: WriteHalf<'_>,
    ) {
        let mut weather = self.control.weather();
        loop {
            let piece = tokio::select! {
                piece = pieces.recv() => piece,
                () = half_closed(&mut weather, direction) => None,
            };
            let Some((due, bytes)) = piece else { break };
            sleep_until(due).await;
            if self.pass(direction, &bytes, &mut to, &mut weather).await.is_err() {
                self.cut.cancel();
                return;
            }
        }
        self.clear(direction, &mut weather).await;
        let _ = to.shutdown().await;
        // What still comes is taken and lost, so that its sender notices nothing.
        while pieces.recv().await.is_some() {}
    }

    /// Counts round trips.
    fn turn(&self, direction: Direction) {
        let speaks_now = direction == Direction::ToClient;
        let turned = self.answered.swap(speaks_now, Ordering::AcqRel) && !speaks_now;
        if turned {
            self.control.count(|counts| counts.turns += 1);
        }
    }

    /// Writes as much of a piece as the faults let through.
    async fn pass(
        &self,
        direction: Direction,
        bytes: &[u8],
        to: &mut WriteHalf<'_>,
        weather: &mut watch::Receiver<Weather>,
    ) -> std::io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            self.clear(direction, weather).await;
            if weather.borrow().half_closed[direction.index()] {
                return Ok(());
            }
            let (seen, commit) = self.look(direction, rest);
            let before = *lock(&self.written[direction.index()]);
            let (allowed, strike) = self.control.allow(direction, before, seen);
            match commit {
                Some(Commit::Lose) => {
                    self.strike(Strike::Cut);
                    continue;
                }
                Some(Commit::LoseAnswer) => self.doomed.cancel(),
                None => {}
            }
            if direction == Direction::ToClient && self.doomed.is_cancelled() {
                if lock(&self.conversation).is_answered() {
                    self.strike(Strike::Cut);
                }
            } else {
                // Counted first: whoever has read a byte finds it in the counts.
                self.turn(direction);
                *lock(&self.written[direction.index()]) += as_bytes(allowed);
                self.control.wrote(direction, as_bytes(allowed));
                to.write_all(&rest[..allowed]).await?;
            }
            if let Some(strike) = strike {
                self.strike(strike);
            }
            rest = &rest[allowed..];
        }
        Ok(())
    }

    /// From here on nothing passes: see [`Link::clear`].
    fn strike(&self, strike: Strike) {
        match strike {
            Strike::Cut => self.cut.cancel(),
            Strike::Freeze => self.frozen.cancel(),
        }
        self.control.count(|counts| counts.strikes += 1);
    }

    /// Ends when all was healed after this connection had become one that cannot be.
    async fn past_healing(&self) {
        let mut weather = self.control.weather();
        tokio::select! {
            () = self.frozen.cancelled() => {}
            _ = weather.wait_for(|weather| weather.half_closed.contains(&true)) => {}
        }
        let healings = weather.borrow().healings;
        let _ = weather.wait_for(|weather| weather.healings != healings).await;
    }

    /// Follows the protocol; gives how many bytes belong together, and the fate of the COMMIT
    /// that they end with.
    fn look(&self, direction: Direction, bytes: &[u8]) -> (usize, Option<Commit>) {
        let mut conversation = lock(&self.conversation);
        match direction {
            Direction::ToServer => {
                let (seen, end) = conversation.hear_client(bytes);
                (seen, end.filter(|end| *end == End::Commit).and_then(|_| self.control.commit()))
            }
            Direction::ToClient => {
                conversation.hear_server(bytes);
                (bytes.len(), None)
            }
        }
    }

    /// Waits while bytes may not pass.
    async fn clear(&self, direction: Direction, weather: &mut watch::Receiver<Weather>) {
        if self.cut.is_cancelled() || self.frozen.is_cancelled() {
            std::future::pending::<()>().await;
        }
        let _ = weather.wait_for(|weather| !weather.stalled[direction.index()]).await;
    }
}

async fn half_closed(weather: &mut watch::Receiver<Weather>, direction: Direction) {
    if weather.wait_for(|weather| weather.half_closed[direction.index()]).await.is_err() {
        std::future::pending::<()>().await;
    }
}
