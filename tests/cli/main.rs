//! The binary as a black box.
