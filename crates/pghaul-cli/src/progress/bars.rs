//! Bars that move, for people at a terminal.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use pghaul::event::Phase;

use super::lines::{line, phase_text, rate_text, read_again, remaining};
use super::tracker::{Sample, Told};
use super::{Renderer, Task};
use crate::console::Console;
use crate::quantity::{bytes, duration, grouped};
use crate::report::log;

/// Steps shown by name.
const STEPS_SHOWN: usize = 3;
const BAR: &str = "  {prefix:<10} {bar:28} {msg}";

/// Draws bars.
pub(super) struct Bars {
    console: Console,
    task: Task,
    all: MultiProgress,
    phase: ProgressBar,
    copy: ProgressBar,
    read_back: ProgressBar,
    indexes: ProgressBar,
    steps: ProgressBar,
}

impl Bars {
    pub(super) fn new(console: Console, task: Task) -> Self {
        Self::on(console, task, ProgressDrawTarget::stderr())
    }

    fn on(console: Console, task: Task, target: ProgressDrawTarget) -> Self {
        let (first, second) = match task {
            Task::Carry => ("rows", "read back"),
            Task::Compare => ("source", "target"),
        };
        let all = MultiProgress::with_draw_target(target);
        let style = |template: &str| {
            ProgressStyle::with_template(template)
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("━╸·")
        };
        let row = |template: &str, prefix: &'static str| {
            let bar = ProgressBar::no_length().with_style(style(template)).with_prefix(prefix);
            all.add(bar)
        };
        Self {
            console,
            task,
            phase: row("{msg}", ""),
            copy: row(BAR, first),
            read_back: row(BAR, second),
            indexes: row(BAR, "indexes"),
            steps: row("  {msg}", ""),
            all,
        }
    }

    /// The rows in the order in which they stand.
    fn rows(&self) -> [&ProgressBar; 5] {
        [&self.phase, &self.copy, &self.read_back, &self.indexes, &self.steps]
    }
}

impl Renderer for Bars {
    fn pace(&self) -> Duration {
        Duration::from_millis(100)
    }

    fn told(&mut self, told: &Told, _: Duration) {
        // The bars show phases and totals themselves.
        if matches!(told, Told::PhaseStarted(_) | Told::Planned { .. }) {
            return;
        }
        if let Some(text) = line(told, self.console, self.task) {
            let text = log::line(self.console.log, &text);
            // Where it cannot be drawn, nobody looks.
            let _ = self.all.println(self.console.for_stderr(text.trim_end()));
        }
    }

    fn sample(&mut self, sample: &Sample) {
        let mut phase =
            format!("{}  {}", duration(sample.elapsed), phase_text(sample.phase, self.task));
        if let Some(again) = read_again(sample) {
            phase.push_str(&format!(", {again}"));
        }
        self.phase.set_message(phase);
        if sample.phase < Phase::Data {
            return;
        }
        let mut copying = format!("{} of {}", bytes(sample.copied), bytes(sample.to_copy));
        if let Some(rate) = sample.rate.filter(|_| sample.copied < sample.to_copy) {
            copying.push_str(&format!("  {}/s", rate_text(rate)));
        }
        if let Some(left) = sample.remaining {
            copying.push_str(&format!("  {}", remaining(left)));
        }
        set(&self.copy, sample.copied, sample.to_copy, copying);
        let read_back = format!(
            "{} of {} tables",
            grouped(sample.tables_verified as u64),
            grouped(sample.tables as u64)
        );
        set(&self.read_back, sample.read_back, sample.to_read_back, read_back);
        let built = format!(
            "{} of {}",
            grouped(sample.indexes_built as u64),
            grouped(sample.indexes as u64)
        );
        set(&self.indexes, sample.indexes_built as u64, sample.indexes as u64, built);
        let steps: Vec<String> = sample
            .running
            .iter()
            .take(STEPS_SHOWN)
            .map(|step| {
                let since = sample.elapsed.saturating_sub(step.since);
                format!("{} {} ({})", step.kind.to_lowercase(), step.object, duration(since))
            })
            .collect();
        self.steps.set_message(steps.join(", "));
    }

    fn end(&mut self) {
        for row in self.rows() {
            row.finish_and_clear();
        }
        let _ = self.all.clear();
    }
}

fn set(bar: &ProgressBar, done: u64, all: u64, message: String) {
    bar.set_length(all.max(1));
    bar.set_position(if all == 0 { 1 } else { done });
    bar.set_message(message);
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use indicatif::InMemoryTerm;

    use super::*;
    use crate::flags::Output;
    use crate::progress::estimate::Remaining;
    use crate::progress::tracker::{Counted, Running};

    fn sample() -> Sample {
        const GIB: u64 = 1 << 30;
        Sample {
            elapsed: Duration::from_secs(754),
            phase: Phase::Data,
            counted: Counted::default(),
            copied: 16 * GIB,
            to_copy: 64 * GIB,
            read_back: 4 * GIB,
            to_read_back: 64 * GIB,
            to_read_again: 0,
            rate: Some(85.0 * 1024.0 * 1024.0),
            tables: 1022,
            tables_copied: 210,
            tables_verified: 180,
            indexes: 1500,
            indexes_built: 3,
            running: vec![Running {
                kind: "INDEX".to_owned(),
                object: "public.index_statuses_on_uri".to_owned(),
                since: Duration::from_secs(692),
            }],
            remaining: Some(Remaining::AtLeast(Duration::from_secs(570))),
        }
    }

    #[test]
    fn bars_show_where_a_run_is_and_leave_nothing_behind() {
        let terminal = InMemoryTerm::new(10, 100);
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        let mut bars = Bars::on(Console::new(&Output::default()), Task::Carry, target);
        bars.sample(&sample());
        for row in bars.rows() {
            row.tick();
        }
        expect![[r#"
            12 min 34 s  copying rows, building indexes, reading back
              rows       ━━━━━━━╸···················· 16.0 GiB of 64.0 GiB  85.0 MiB/s  at least 9 min 30 s left
              read back  ━╸·························· 180 of 1,022 tables
              indexes    ╸··························· 3 of 1,500
              index public.index_statuses_on_uri (1 min 2 s)"#]].assert_eq(&terminal.contents());
        bars.told(&Told::Message("stopping".to_owned()), Duration::ZERO);
        bars.end();
        assert_eq!(terminal.contents(), "stopping");
    }
}
