//! What is to be done, what waits for what, and who takes what next.
//!
//! Invariants: a task is handed out once all tasks it waits for are done, and to one lane at a
//! time; of tasks that share a resource one runs at a time, or one lane has them all; when a task is
//! left out or fails, all that waits for it is left out too and names it; a gate needs no lane, so that
//! nothing waits for one to be free; nothing here touches a server.
//!
//! A lane may take several small tasks at once ([`Board::take_along`]), which it has to carry out in
//! their order. Then a task that only waits for the end of those before it goes along with them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The place of a task on its board.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub usize);

/// Which lanes take a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LaneKind {
    /// Lanes with a session on each side: parts, large objects, sequences, reading back.
    Copy,
    /// Lanes with a session on the target: indexes, constraints and all other statements.
    Step,
}

/// Which of the tasks that could start a lane prefers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taste {
    /// The heaviest: what takes longest must not begin last.
    Heavy,
    /// Small ones, the heaviest of them first, so that what waits for them does not wait for all
    /// that is heavier; others when no small one can start.
    Small,
}

/// One task.
#[derive(Debug, Clone)]
pub struct Task<W> {
    /// What it is.
    pub work: W,
    /// Which lanes take it.
    pub lane: LaneKind,
    /// What has to be done before; it is left out when one of these is.
    pub after: Vec<TaskId>,
    /// What has to be over before, done or left out.
    pub behind: Vec<TaskId>,
    /// Names of what no two running tasks may share.
    pub resources: Vec<String>,
    /// Among tasks that could start, the one with the greatest weight goes first, unless a lane's
    /// [`Taste`] is another.
    pub weight: u64,
    /// The bytes it is about, if it is small enough to be carried out together with others.
    pub small: Option<u64>,
    /// There is nothing to do: it is done as soon as all is over that it waits for.
    pub is_gate: bool,
}

impl<W> Task<W> {
    /// A task that waits for nothing.
    pub fn new(work: W, lane: LaneKind) -> Self {
        let (after, behind, resources) = (Vec::new(), Vec::new(), Vec::new());
        Self { work, lane, after, behind, resources, weight: 0, small: None, is_gate: false }
    }

    /// A task without anything to do; others wait for it instead of for all that it waits for.
    pub fn gate(work: W, lane: LaneKind) -> Self {
        Self { is_gate: true, ..Self::new(work, lane) }
    }

    /// Sets what has to be done before.
    #[must_use]
    pub fn after(self, after: Vec<TaskId>) -> Self {
        Self { after, ..self }
    }

    /// Sets what has to be over before.
    #[must_use]
    pub fn behind(self, behind: Vec<TaskId>) -> Self {
        Self { behind, ..self }
    }

    /// Sets what no other running task may share.
    #[must_use]
    pub fn alone_with(self, resources: Vec<String>) -> Self {
        Self { resources, ..self }
    }

    /// Sets the weight.
    #[must_use]
    pub fn weighing(self, weight: u64) -> Self {
        Self { weight, ..self }
    }

    /// Says that it may be carried out together with others, if it is about few bytes.
    #[must_use]
    pub fn small(self, small: Option<u64>) -> Self {
        Self { small, ..self }
    }
}

/// How much a lane may take at once: an equal part of what is ready, within bounds.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Never more than this, or one task.
    pub most: Amount,
    /// Below this, sharing with other lanes gains nothing.
    pub least: Amount,
    /// Lanes that share what is ready.
    pub lanes: usize,
}

/// Tasks, and bytes of all of them together.
#[derive(Debug, Clone, Copy)]
pub struct Amount {
    /// How many.
    pub tasks: usize,
    /// Bytes that they are about.
    pub bytes: u64,
}

/// How a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Done; what waits for it may start.
    Done,
    /// Not done because of the data, and reported; what waits for it is left out.
    LeftOut,
    /// To be handed out again.
    Again,
    /// Somebody else works on it; to be handed out again after [`Board::look_again`].
    Elsewhere,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Waiting,
    Ready,
    Running,
    Elsewhere,
    Done,
    LeftOut,
}

/// The board. Shared by all lanes of a process.
pub struct Board<W> {
    tasks: Vec<Task<W>>,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Clone, Copy)]
enum Waiter {
    ForSuccess(TaskId),
    ForEnd(TaskId),
}

struct State {
    status: Vec<Status>,
    open_waits: Vec<usize>,
    waiters: Vec<Vec<Waiter>>,
    ready: HashMap<LaneKind, BTreeMap<(std::cmp::Reverse<u64>, TaskId), ()>>,
    /// How many running tasks of one lane share a resource.
    in_use: HashMap<String, usize>,
    unfinished: HashMap<LaneKind, usize>,
    closed: bool,
}

impl<W> Board<W> {
    /// A board of these tasks; `after` names places in this very list.
    pub fn new(tasks: Vec<Task<W>>) -> Self {
        let mut state = State {
            status: vec![Status::Waiting; tasks.len()],
            open_waits: tasks.iter().map(|task| task.after.len() + task.behind.len()).collect(),
            waiters: vec![Vec::new(); tasks.len()],
            ready: HashMap::new(),
            in_use: HashMap::new(),
            unfinished: HashMap::new(),
            closed: false,
        };
        for (at, task) in tasks.iter().enumerate() {
            *state.unfinished.entry(task.lane).or_default() += 1;
            for before in &task.after {
                state.waiters[before.0].push(Waiter::ForSuccess(TaskId(at)));
            }
            for before in &task.behind {
                state.waiters[before.0].push(Waiter::ForEnd(TaskId(at)));
            }
        }
        let board = Self { tasks, state: Mutex::new(state), changed: Notify::new() };
        for (id, task) in board.tasks() {
            if task.after.is_empty() && task.behind.is_empty() {
                board.over_all(&mut board.lock(), id);
            }
        }
        board
    }

    /// A task.
    pub fn task(&self, id: TaskId) -> &Task<W> {
        &self.tasks[id.0]
    }

    /// All tasks.
    pub fn tasks(&self) -> impl Iterator<Item = (TaskId, &Task<W>)> {
        self.tasks.iter().enumerate().map(|(at, task)| (TaskId(at), task))
    }

    /// Waits for a task that a lane of that kind can start; none when nothing is left for such
    /// lanes or the board is closed. The task must be given back with [`Board::finish`].
    pub async fn next(&self, lane: LaneKind, taste: Taste) -> Option<TaskId> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before looking, so that a change in between is not missed.
            changed.as_mut().enable();
            {
                let mut state = self.lock();
                if state.closed || state.unfinished_of(lane) == 0 {
                    return None;
                }
                if let Some(id) = self.take(&mut state, lane, taste) {
                    return Some(id);
                }
            }
            changed.await;
        }
    }

    /// Takes more tasks for the lane that has taken `first`, if that is small: small ones that
    /// `joins` picks, as many as the load allows, and what only waits for the end of those before it.
    /// The lane has to carry them out in the order of this list, after `first`, and to look before
    /// each that is not carried out together with those before it whether it [may
    /// begin](Board::may_begin).
    pub fn take_along(
        &self,
        first: TaskId,
        load: Load,
        joins: impl Fn(&Task<W>) -> bool,
    ) -> Vec<TaskId> {
        let size = |task: &Task<W>| task.small.filter(|_| joins(task));
        let mut state = self.lock();
        let lane = self.tasks[first.0].lane;
        let Some(of_first) = size(&self.tasks[first.0]).filter(|_| !state.closed) else {
            return Vec::new();
        };
        let ready = state.ready.get(&lane).into_iter().flat_map(BTreeMap::keys);
        let ready: Vec<(TaskId, u64)> =
            ready.filter_map(|(_, id)| Some((*id, size(&self.tasks[id.0])?))).collect();
        let lanes = load.lanes.max(1);
        let all: u64 = of_first + ready.iter().map(|(_, bytes)| bytes).sum::<u64>();
        let share =
            Amount { tasks: (ready.len() + 1).div_ceil(lanes), bytes: all.div_ceil(lanes as u64) };
        let tasks = load.most.tasks.min(load.least.tasks.max(share.tasks));
        let bytes = load.most.bytes.min(load.least.bytes.max(share.bytes));
        let mut taken = vec![first];
        let mut ours: HashSet<&str> =
            self.tasks[first.0].resources.iter().map(String::as_str).collect();
        let mut sum = of_first;
        for (id, its) in ready {
            if taken.len() >= tasks {
                break;
            }
            if sum + its <= bytes && self.is_free_for(&state, id, &ours) {
                sum += its;
                self.start(&mut state, id);
                ours.extend(self.tasks[id.0].resources.iter().map(String::as_str));
                taken.push(id);
            }
        }
        self.take_followers(&mut state, &mut taken, (load.most.tasks, &size), ours);
        taken.remove(0);
        taken
    }

    /// Adds what waits for nothing but the end of a task that is taken.
    fn take_followers<'a>(
        &'a self,
        state: &mut State,
        taken: &mut Vec<TaskId>,
        (most, size): (usize, impl Fn(&Task<W>) -> Option<u64>),
        mut ours: HashSet<&'a str>,
    ) {
        let lane = self.tasks[taken[0].0].lane;
        let mut at = 0;
        while at < taken.len() && taken.len() < most {
            for waiter in state.waiters[taken[at].0].clone() {
                let Waiter::ForEnd(id) = waiter else { continue };
                let task = &self.tasks[id.0];
                let follows = state.status[id.0] == Status::Waiting
                    && state.open_waits[id.0] == 1
                    && task.lane == lane
                    && size(task).is_some()
                    && self.is_free_for(state, id, &ours);
                if follows && taken.len() < most {
                    self.start(state, id);
                    ours.extend(task.resources.iter().map(String::as_str));
                    taken.push(id);
                }
            }
            at += 1;
        }
    }

    /// Whether all is over that a task waits for, and tasks are still handed out.
    pub fn may_begin(&self, id: TaskId) -> bool {
        let state = self.lock();
        !state.closed && state.open_waits[id.0] == 0
    }

    /// Gives a task back. Returns the tasks that are left out because of it, nearest first.
    pub fn finish(&self, id: TaskId, verdict: Verdict) -> Vec<TaskId> {
        let mut left_out = Vec::new();
        {
            let mut state = self.lock();
            for resource in &self.tasks[id.0].resources {
                state.let_go(resource);
            }
            match verdict {
                Verdict::Done => self.mark_done(&mut state, id),
                Verdict::Again => self.offer(&mut state, id),
                Verdict::Elsewhere => state.status[id.0] = Status::Elsewhere,
                Verdict::LeftOut => self.leave_out(&mut state, id, &mut left_out),
            }
        }
        self.changed.notify_waiters();
        left_out
    }

    /// Marks a task that another process has done, before or meanwhile. One that runs here finds
    /// that out by itself, one that was left out stays so.
    pub fn already_done(&self, id: TaskId) {
        {
            let mut state = self.lock();
            if matches!(state.status[id.0], Status::Running | Status::LeftOut) {
                return;
            }
            let task = &self.tasks[id.0];
            state.unready(id, task.lane, task.weight);
            self.mark_done(&mut state, id);
        }
        self.changed.notify_waiters();
    }

    /// Hands out again what somebody else was working on.
    pub fn look_again(&self) {
        {
            let mut state = self.lock();
            for at in 0..self.tasks.len() {
                if state.status[at] == Status::Elsewhere {
                    self.offer(&mut state, TaskId(at));
                }
            }
        }
        self.changed.notify_waiters();
    }

    /// Hands out nothing more; lanes end after the task they have. False if it was so already.
    pub fn close(&self) -> bool {
        let was_closed = std::mem::replace(&mut self.lock().closed, true);
        self.changed.notify_waiters();
        !was_closed
    }

    /// The tasks of some kind that are neither done nor left out; none once the board is closed.
    pub fn left_of(&self, wanted: impl Fn(&W) -> bool) -> Vec<TaskId> {
        let state = self.lock();
        let open = |id: TaskId| {
            !state.closed && !matches!(state.status[id.0], Status::Done | Status::LeftOut)
        };
        let tasks = self.tasks().filter(|(id, task)| open(*id) && wanted(&task.work));
        tasks.map(|(id, _)| id).collect()
    }

    /// How many tasks are neither done nor left out.
    pub fn unfinished(&self) -> usize {
        self.lock().unfinished.values().sum()
    }

    /// How many of these are for lanes of that kind.
    pub fn unfinished_of(&self, lane: LaneKind) -> usize {
        self.lock().unfinished_of(lane)
    }

    /// How many tasks were left out.
    pub fn left_out(&self) -> usize {
        self.lock().status.iter().filter(|status| **status == Status::LeftOut).count()
    }

    /// Whether a task is done.
    pub fn is_done(&self, id: TaskId) -> bool {
        self.lock().status[id.0] == Status::Done
    }

    fn take(&self, state: &mut State, lane: LaneKind, taste: Taste) -> Option<TaskId> {
        let ours = HashSet::new();
        let ready = state.ready.get(&lane)?;
        let free =
            || ready.keys().map(|(_, id)| *id).filter(|id| self.is_free_for(state, *id, &ours));
        let small = match taste {
            Taste::Heavy => None,
            Taste::Small => free().find(|id| self.tasks[id.0].small.is_some()),
        };
        let id = small.or_else(|| free().next())?;
        self.start(state, id);
        Some(id)
    }

    /// Whether nobody but a lane that has `ours` uses what a task needs for itself.
    fn is_free_for(&self, state: &State, id: TaskId, ours: &HashSet<&str>) -> bool {
        let mut resources = self.tasks[id.0].resources.iter().map(String::as_str);
        resources.all(|resource| ours.contains(resource) || !state.in_use.contains_key(resource))
    }

    fn start(&self, state: &mut State, id: TaskId) {
        let task = &self.tasks[id.0];
        state.unready(id, task.lane, task.weight);
        state.status[id.0] = Status::Running;
        for resource in &task.resources {
            *state.in_use.entry(resource.clone()).or_default() += 1;
        }
    }

    /// Hands a task out again, as soon as all is over that it waits for.
    fn offer(&self, state: &mut State, id: TaskId) {
        if state.open_waits[id.0] == 0 {
            self.over_all(state, id);
        } else {
            state.status[id.0] = Status::Waiting;
        }
    }

    /// All is over that a task waits for.
    fn over_all(&self, state: &mut State, id: TaskId) {
        let task = &self.tasks[id.0];
        if task.is_gate {
            self.mark_done(state, id);
        } else {
            state.make_ready(id, task.lane, task.weight);
        }
    }

    fn mark_done(&self, state: &mut State, id: TaskId) {
        if state.status[id.0] == Status::Done {
            return;
        }
        state.status[id.0] = Status::Done;
        state.ended(self.tasks[id.0].lane);
        for waiter in state.waiters[id.0].clone() {
            let (Waiter::ForSuccess(waiter) | Waiter::ForEnd(waiter)) = waiter;
            self.one_less(state, waiter);
        }
    }

    fn one_less(&self, state: &mut State, waiter: TaskId) {
        state.open_waits[waiter.0] -= 1;
        if state.open_waits[waiter.0] == 0 && state.status[waiter.0] == Status::Waiting {
            self.over_all(state, waiter);
        }
    }

    fn leave_out(&self, state: &mut State, id: TaskId, left_out: &mut Vec<TaskId>) {
        let mut open = std::collections::VecDeque::from([id]);
        while let Some(next) = open.pop_front() {
            if matches!(state.status[next.0], Status::LeftOut | Status::Done) {
                continue;
            }
            let task = &self.tasks[next.0];
            state.unready(next, task.lane, task.weight);
            state.status[next.0] = Status::LeftOut;
            state.ended(task.lane);
            if next != id {
                left_out.push(next);
            }
            for waiter in state.waiters[next.0].clone() {
                match waiter {
                    Waiter::ForSuccess(waiter) => open.push_back(waiter),
                    Waiter::ForEnd(waiter) => self.one_less(state, waiter),
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change of the state is complete before the lock is let go.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn unfinished_of(&self, lane: LaneKind) -> usize {
        self.unfinished.get(&lane).copied().unwrap_or(0)
    }

    fn ended(&mut self, lane: LaneKind) {
        if let Some(count) = self.unfinished.get_mut(&lane) {
            *count -= 1;
        }
    }

    fn let_go(&mut self, resource: &str) {
        if let Some(users) = self.in_use.get_mut(resource) {
            *users -= 1;
            if *users == 0 {
                self.in_use.remove(resource);
            }
        }
    }

    fn make_ready(&mut self, id: TaskId, lane: LaneKind, weight: u64) {
        self.status[id.0] = Status::Ready;
        self.ready.entry(lane).or_default().insert((std::cmp::Reverse(weight), id), ());
    }

    fn unready(&mut self, id: TaskId, lane: LaneKind, weight: u64) {
        if let Some(ready) = self.ready.get_mut(&lane) {
            ready.remove(&(std::cmp::Reverse(weight), id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(after: &[usize], resources: &[&str], weight: u64) -> Task<()> {
        Task {
            work: (),
            lane: LaneKind::Step,
            behind: Vec::new(),
            after: after.iter().map(|at| TaskId(*at)).collect(),
            resources: resources.iter().map(|name| (*name).to_owned()).collect(),
            weight,
            small: Some(weight),
            is_gate: false,
        }
    }

    #[tokio::test]
    async fn heavy_first_and_only_after_what_it_waits_for() {
        let board = Board::new(vec![task(&[], &[], 1), task(&[], &[], 9), task(&[0, 1], &[], 99)]);
        assert_eq!(board.next(LaneKind::Step, Taste::Heavy).await, Some(TaskId(1)));
        assert_eq!(board.next(LaneKind::Step, Taste::Heavy).await, Some(TaskId(0)));
        board.finish(TaskId(1), Verdict::Done);
        board.finish(TaskId(0), Verdict::Again);
        assert_eq!(board.next(LaneKind::Step, Taste::Heavy).await, Some(TaskId(0)));
        board.finish(TaskId(0), Verdict::Done);
        assert_eq!(board.next(LaneKind::Step, Taste::Heavy).await, Some(TaskId(2)));
        board.finish(TaskId(2), Verdict::Done);
        assert_eq!(board.next(LaneKind::Step, Taste::Heavy).await, None);
    }

    #[tokio::test]
    async fn who_prefers_small_ones_takes_others_when_none_can_start() {
        let of = |weight: u64, small: Option<u64>| task(&[], &[], weight).small(small);
        let board = Board::new(vec![
            of(900, None),
            of(800, None),
            of(20, Some(20)),
            task(&[], &["t"], 30).small(Some(30)),
            task(&[], &["t"], 999),
            task(&[2], &[], 10).small(Some(10)),
        ]);
        let heavy = || board.next(LaneKind::Step, Taste::Heavy);
        let small = || board.next(LaneKind::Step, Taste::Small);
        assert_eq!(heavy().await, Some(TaskId(4)), "the heaviest, whatever it is");
        assert_eq!(small().await, Some(TaskId(2)), "3 is small too, but shares what 4 uses");
        assert_eq!(small().await, Some(TaskId(0)), "no small one can start");
        board.finish(TaskId(4), Verdict::Done);
        board.finish(TaskId(2), Verdict::Done);
        assert_eq!(small().await, Some(TaskId(3)), "the heaviest of the small ones");
        assert_eq!(heavy().await, Some(TaskId(1)));
        assert_eq!(heavy().await, Some(TaskId(5)), "what is left");
    }

    #[tokio::test]
    async fn what_waits_for_a_task_left_out_is_left_out_and_the_rest_goes_on() {
        let board = Board::new(vec![
            task(&[], &[], 5),
            task(&[0], &[], 0),
            task(&[1], &[], 0),
            task(&[], &[], 1),
            task(&[], &[], 0).behind(vec![TaskId(2), TaskId(3)]),
        ]);
        assert_eq!(board.next(LaneKind::Step, Taste::Heavy).await, Some(TaskId(0)));
        assert_eq!(board.finish(TaskId(0), Verdict::LeftOut), vec![TaskId(1), TaskId(2)]);
        assert_eq!(board.next(LaneKind::Step, Taste::Heavy).await, Some(TaskId(3)));
        board.finish(TaskId(3), Verdict::Done);
        assert_eq!(board.next(LaneKind::Step, Taste::Heavy).await, Some(TaskId(4)));
        board.finish(TaskId(4), Verdict::Done);
        assert_eq!(board.next(LaneKind::Step, Taste::Heavy).await, None);
    }

    #[tokio::test]
    async fn gates_are_over_by_themselves_and_left_out_like_all_else() {
        let gate = |after: &[usize]| Task { is_gate: true, ..task(after, &[], 0) };
        let board = Board::new(vec![
            task(&[], &[], 5),
            gate(&[0]),
            gate(&[]),
            task(&[1, 2], &[], 9),
            task(&[], &[], 1),
            gate(&[4]).behind(vec![TaskId(0)]),
            task(&[5], &[], 1),
        ]);
        assert!(board.is_done(TaskId(2)), "it waits for nothing");
        assert_eq!(board.next(LaneKind::Step, Taste::Heavy).await, Some(TaskId(0)));
        board.finish(TaskId(0), Verdict::Done);
        assert!(board.is_done(TaskId(1)));
        assert_eq!(board.next(LaneKind::Step, Taste::Heavy).await, Some(TaskId(3)));
        assert_eq!(board.next(LaneKind::Step, Taste::Heavy).await, Some(TaskId(4)));
        assert_eq!(board.finish(TaskId(4), Verdict::LeftOut), vec![TaskId(5), TaskId(6)]);
        board.finish(TaskId(3), Verdict::Done);
        assert_eq!((board.unfinished(), board.left_out()), (0, 3));
    }

    #[tokio::test]
    async fn tasks_that_share_a_resource_run_one_at_a_time() {
        let board = Board::new(vec![task(&[], &["t"], 2), task(&[], &["t"], 1)]);
        assert_eq!(board.next(LaneKind::Step, Taste::Heavy).await, Some(TaskId(0)));
        let next = board.next(LaneKind::Step, Taste::Heavy);
        tokio::pin!(next);
        assert!(futures::poll!(next.as_mut()).is_pending());
        board.finish(TaskId(0), Verdict::Done);
        assert_eq!(next.await, Some(TaskId(1)));
    }

    #[tokio::test]
    async fn what_somebody_else_works_on_comes_back_until_it_is_done() {
        let board =
            Board::new(vec![task(&[], &["t"], 1), task(&[], &["t"], 0), task(&[0], &[], 0)]);
        assert_eq!(board.next(LaneKind::Step, Taste::Heavy).await, Some(TaskId(0)));
        board.finish(TaskId(0), Verdict::Elsewhere);
        assert_eq!(board.next(LaneKind::Step, Taste::Heavy).await, Some(TaskId(1)));
        board.finish(TaskId(1), Verdict::Done);
        let next = board.next(LaneKind::Step, Taste::Heavy);
        tokio::pin!(next);
        assert!(futures::poll!(next.as_mut()).is_pending());
        board.look_again();
        assert_eq!(next.await, Some(TaskId(0)));
        board.finish(TaskId(0), Verdict::Elsewhere);
        board.already_done(TaskId(0));
        assert_eq!(board.next(LaneKind::Step, Taste::Heavy).await, Some(TaskId(2)));
    }

    fn load(tasks: usize, bytes: u64, lanes: usize) -> Load {
        Load { most: Amount { tasks, bytes }, least: Amount { tasks: 1, bytes: 0 }, lanes }
    }

    fn numbers(ids: Vec<TaskId>) -> Vec<usize> {
        ids.into_iter().map(|id| id.0).collect()
    }

    #[tokio::test]
    async fn small_tasks_go_along_as_far_as_the_load_allows() {
        let small = |task: &Task<()>| task.weight < 100;
        let tasks = || {
            vec![
                task(&[], &[], 500),
                task(&[], &[], 40),
                task(&[], &[], 30),
                task(&[], &[], 20),
                task(&[0], &[], 10),
            ]
        };
        let board = Board::new(tasks());
        assert_eq!(board.next(LaneKind::Step, Taste::Heavy).await, Some(TaskId(0)));
        assert!(board.take_along(TaskId(0), load(9, 999, 1), small).is_empty(), "0 is not small");
        assert_eq!(board.next(LaneKind::Step, Taste::Heavy).await, Some(TaskId(1)));
        assert_eq!(numbers(board.take_along(TaskId(1), load(9, 65, 1), small)), [3]);
        assert_eq!(board.next(LaneKind::Step, Taste::Heavy).await, Some(TaskId(2)));
        let board = Board::new(tasks());
        assert_eq!(board.next(LaneKind::Step, Taste::Heavy).await, Some(TaskId(0)));
        assert_eq!(board.next(LaneKind::Step, Taste::Heavy).await, Some(TaskId(1)));
        assert_eq!(numbers(board.take_along(TaskId(1), load(2, 999, 1), small)), [2]);
        let board = Board::new(tasks());
        assert_eq!(board.next(LaneKind::Step, Taste::Heavy).await, Some(TaskId(0)));
        assert_eq!(board.next(LaneKind::Step, Taste::Heavy).await, Some(TaskId(1)));
        assert!(board.take_along(TaskId(1), load(9, 999, 3), small).is_empty(), "one for each");
        board.close();
        assert!(board.take_along(TaskId(1), load(9, 999, 1), small).is_empty());
    }

    #[tokio::test]
    async fn what_only_waits_for_the_end_of_those_before_goes_along() {
        let small = |_: &Task<()>| true;
        let behind = |at: usize| task(&[], &[], 0).behind(vec![TaskId(at)]);
        let board = Board::new(vec![task(&[], &[], 0), behind(0), behind(1), task(&[2], &[], 0)]);
        assert_eq!(board.next(LaneKind::Step, Taste::Heavy).await, Some(TaskId(0)));
        assert_eq!(numbers(board.take_along(TaskId(0), load(9, 9, 1), small)), [1, 2]);
        assert!(board.may_begin(TaskId(0)) && !board.may_begin(TaskId(1)));
        // Given back before the one that it waits for is over: not to be had before that.
        board.finish(TaskId(1), Verdict::Again);
        board.finish(TaskId(2), Verdict::Elsewhere);
        board.look_again();
        let next = board.next(LaneKind::Step, Taste::Heavy);
        tokio::pin!(next);
        assert!(futures::poll!(next.as_mut()).is_pending());
        board.finish(TaskId(0), Verdict::Done);
        assert_eq!(next.await, Some(TaskId(1)));
        assert_eq!(numbers(board.take_along(TaskId(1), load(9, 9, 1), small)), [2]);
        for id in [1, 2] {
            board.finish(TaskId(id), Verdict::Done);
        }
        assert_eq!(board.next(LaneKind::Step, Taste::Heavy).await, Some(TaskId(3)));
    }

    #[tokio::test]
    async fn a_resource_is_free_once_all_who_share_it_are_over() {
        let small = |task: &Task<()>| task.weight > 0;
        let board =
            Board::new(vec![task(&[], &["t"], 3), task(&[], &["t", "u"], 2), task(&[], &["t"], 0)]);
        assert_eq!(board.next(LaneKind::Step, Taste::Heavy).await, Some(TaskId(0)));
        assert_eq!(numbers(board.take_along(TaskId(0), load(9, 9, 1), small)), [1]);
        board.finish(TaskId(0), Verdict::Done);
        let next = board.next(LaneKind::Step, Taste::Heavy);
        tokio::pin!(next);
        assert!(futures::poll!(next.as_mut()).is_pending());
        board.finish(TaskId(1), Verdict::Done);
        assert_eq!(next.await, Some(TaskId(2)));
    }

    #[tokio::test]
    async fn what_an_earlier_process_did_is_not_handed_out() {
        let board = Board::new(vec![task(&[], &[], 1), task(&[0], &[], 1)]);
        board.already_done(TaskId(0));
        assert_eq!(board.next(LaneKind::Step, Taste::Heavy).await, Some(TaskId(1)));
    }
}
