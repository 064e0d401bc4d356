//! The binary `pghaul`.
fn main() {}
