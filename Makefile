# What is done often. The logic is in scripts/; each target is one command.

.DEFAULT_GOAL := help
.PHONY: help setup test lint fmt demo deny

help: ## Lists the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' Makefile

setup: ## Installs what the tests need and is missing
	@scripts/setup

test: ## Installs what is missing, checks the format, lints, runs all tests, sums up
	@scripts/test

lint: ## Checks the format and runs clippy
	cargo fmt --all --check
	cargo lint

fmt: ## Formats the code
	cargo fmt --all

demo: ## Runs the demo: two versions of a model service, load, verdict, report
	cargo run --release --locked -- demo

deny: ## Runs cargo-deny on deny.toml (make test checks the most of it without)
	@command -v cargo-deny >/dev/null || { echo 'cargo-deny is missing: cargo install cargo-deny --locked'; exit 1; }
	cargo deny --locked check licenses bans sources
