//! Lines on stderr, in the format that was asked for.

use serde_json::json;

use crate::flags::LogFormat;

/// One line, with its end.
pub fn line(format: LogFormat, text: &str) -> String {
    match format {
        LogFormat::Text => format!("{text}\n"),
        LogFormat::Json => format!("{}\n", json!({"v": 1, "event": "message", "message": text})),
    }
}
