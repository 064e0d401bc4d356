//! Servers, databases and damage for tests and the demo.
