//! What of a comparison is done, under whatever snapshots, and what comes next.

use std::sync::Arc;

use super::company::Company;
use super::known::{Instants, Known};
use super::moment::Moment;
use super::options::{Depth, Scope};
use super::outcome::{Resumed, VerifyOutcome};
use super::{name_rows, others, read_all, repairs};
use crate::error::Error;
use crate::event::{Event, Observer, Phase, Phases};
use crate::finding::{Finding, Severity};
use crate::name::RelationName;
use crate::run::Ending;
use crate::schema::compare::SchemaDifference;

/// What is done so far, under whatever snapshots.
pub(super) struct Progress {
    schema: Option<Vec<SchemaDifference>>,
    others: others::Compared,
    pairs_told: bool,
    known: Known,
    order: Vec<RelationName>,
    phases: Phases,
}

impl Progress {
    /// Rows are known as far as another process has compared them.
    pub(super) fn new(observer: Arc<dyn Observer>, known: Known) -> Self {
        Self {
            schema: None,
            others: others::Compared::default(),
            pairs_told: false,
            known,
            order: Vec::new(),
            phases: Phases::new(observer),
        }
    }

    /// The snapshots were lost, and are taken anew.
    pub(super) fn go_on_at(
        &mut self,
        company: &Company,
        lost: &Instants,
        moment: &Moment,
    ) -> Result<(), Error> {
        let schema = self.schema.is_some() && company.options.scope != Scope::DataOnly;
        let others = self.others.sequences.is_some() || self.others.large_objects.is_some();
        self.known.own_ids(lost.source.own_ids, lost.target.own_ids);
        self.known.go_on_at(moment.instants(), schema || others);
        self.known.keep(&moment.pairs.tables);
        company.journal.as_ref().map_or(Ok(()), |journal| journal.moment(&moment.instants()))
    }

    /// Does what is not done yet.
    pub(super) async fn go_on(
        &mut self,
        company: &Arc<Company>,
        moment: &Arc<Moment>,
    ) -> Result<(), Error> {
        let tables = &moment.pairs.tables;
        self.order = tables.iter().map(|pair| pair.name.clone()).collect();
        company.observer.on_event(&Event::Planned {
            tables: tables.len(),
            parts: read_all::parts(moment, &self.known),
            bytes: tables.iter().map(|pair| pair.source.bytes()).sum(),
            steps: 0,
        });
        if !self.pairs_told {
            self.pairs_told = true;
            for finding in &moment.pairs.findings {
                company.find(finding.clone());
            }
            depth_note(company);
        }
        if self.schema.is_none() {
            self.phases.begin(Phase::PreData);
            let schema = match company.options.scope {
                Scope::DataOnly => Vec::new(),
                Scope::Everything | Scope::SchemaOnly => others::schema(company, moment).await?,
            };
            self.schema = Some(schema);
        }
        self.phases.begin(Phase::Data);
        let beside_rows = async {
            match company.options.scope {
                Scope::SchemaOnly => Ok(()),
                Scope::Everything | Scope::DataOnly => {
                    others::compare(company, moment, &mut self.others).await
                }
            }
        };
        // Both to their end, so that what one has done is not lost by a failure of the other.
        let (others, read) =
            futures::join!(beside_rows, read_all::read_all(company, moment, &mut self.known));
        others?;
        read?;
        repairs::account(company, moment, &mut self.known.tables).await?;
        self.phases.begin(Phase::PostData);
        name_rows::name_all(company, moment, &mut self.known.tables).await
    }

    /// What it came to.
    pub(super) fn outcome(
        mut self,
        ending: Ending,
        resumed: Resumed,
        company: &Company,
    ) -> VerifyOutcome {
        let phases = self.phases.end();
        let tables = &mut self.known.tables;
        let tables: Vec<_> = self.order.iter().filter_map(|name| tables.remove(name)).collect();
        let moments = self.known.moment();
        let earlier = tables.iter().filter(|table| table.moment < moments).count();
        moments_notes(company, (moments, earlier), self.known.proven);
        let mut findings = std::mem::take(&mut *company.findings());
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        let state = match ending {
            Ending::Complete => None,
            Ending::Stopped => company.journal.as_ref().and_then(|journal| journal.kept()),
        };
        VerifyOutcome {
            ending,
            tables,
            schema: self.schema.unwrap_or_default(),
            findings,
            moments,
            proven_unchanged: self.known.proven,
            resumed,
            state: state.map(Into::into),
            large_objects: self.others.large_objects.unwrap_or(0),
            sequences: self.others.sequences.unwrap_or(0),
            phases,
        }
    }
}

/// Says of which moments the result is, if that is not plain.
fn moments_notes(company: &Company, (moments, earlier): (u32, usize), proven: bool) {
    let lost = "sessions were lost, or the comparison was interrupted";
    if moments > 1 {
        let text = format!(
            "{lost}, so the result is of {moments} moments: {earlier} of the tables were compared at an earlier one than the last"
        );
        let remedy = "compare again if the databases were written to meanwhile";
        company.find(Finding::new(Severity::Note, "several_moments", text, remedy));
    } else if proven {
        let text = format!(
            "{lost}; on both sides nothing was written until it went on, so all is compared as of one moment"
        );
        company.find(Finding::new(Severity::Note, "proven_unchanged", text, "nothing to do"));
    }
}

/// Says what was not asked for, and so is not proven.
fn depth_note(company: &Company) {
    if company.options.scope == Scope::SchemaOnly {
        return;
    }
    let (code, text) = match company.options.depth {
        Depth::Full => return,
        Depth::Rows => {
            ("only_counted", "rows were counted; what is in them was not compared".to_owned())
        }
        Depth::Sample(share) => (
            "sampled",
            format!(
                "rows were counted; the contents of {} % of them, chosen by the digest of their key, were compared: \
                 this proves nothing about the others",
                share * 100.0
            ),
        ),
    };
    let remedy = "leave --rows and --sample out to compare every row";
    company.find(Finding::new(Severity::Note, code, text, remedy));
}
