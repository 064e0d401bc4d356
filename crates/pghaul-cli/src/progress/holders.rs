//! Who keeps something waiting, as a line and as JSON: one wording for all verbs.

use pghaul::holder::Holder;
use serde_json::{Value, json};

use crate::quantity::milliseconds;

/// Who is waited for, by name; without anybody, that it goes on.
pub(super) fn line(what: &str, holders: &[Holder]) -> String {
    if holders.is_empty() {
        return format!("{what} goes on");
    }
    let names: Vec<String> = holders.iter().map(ToString::to_string).collect();
    format!("{what} waits for {}", names.join(", "))
}

/// The fields of the event `waiting`.
pub(super) fn object(what: &str, holders: &[Holder]) -> Value {
    let holders: Vec<Value> = holders.iter().map(holder).collect();
    json!({"what": what, "holders": holders})
}

fn holder(holder: &Holder) -> Value {
    let lock = holder
        .lock
        .as_ref()
        .map(|lock| json!({"mode": lock.mode, "relation": lock.relation, "granted": lock.granted}));
    json!({
        "pid": holder.pid,
        "prepared": holder.prepared,
        "user": holder.user,
        "application": holder.application,
        "state": holder.state,
        "age_ms": holder.age.map(milliseconds),
        "lock": lock,
        "pghaul": holder.is_ours(),
    })
}
