# Common commands. The logic is in scripts/; each target is one command.

.DEFAULT_GOAL := help
.PHONY: help setup test lint fmt demo docs dist deny

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' Makefile

setup: ## Install missing tools that the tests need
	@scripts/setup

test: ## Install missing tools, check the format, lint, run all tests, print a summary
	@scripts/test

lint: ## Check the format and run clippy
	cargo fmt --all --check
	cargo lint

fmt: ## Format the code
	cargo fmt --all

demo: ## Run the demo: two versions of a model service, load, verdict, report
	cargo run --release --locked -- demo

docs: ## Build the manual in docs/ as a book: target/book/index.html
	@scripts/docs

dist: ## Make the archive of a release for this machine in dist/
	@scripts/dist

deny: ## Run cargo-deny with deny.toml (make test covers most of it without cargo-deny)
	@command -v cargo-deny >/dev/null || { echo 'cargo-deny is missing: cargo install cargo-deny --locked'; exit 1; }
	cargo deny --locked check licenses bans sources
