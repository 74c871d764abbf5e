//! A sample model service: the demo's target and the tests' fixture.
