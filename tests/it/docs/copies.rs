//! Blocks of the manual that are copies of files, for readers without the repository.

use crate::support::files;
use crate::support::markdown::fences;

/// Page, and file whose text is one of its blocks, without the comment at the top.
const COPIES: [(&str, &str); 2] = [
    ("docs/tutorials/slos-in-ci.md", "ci/examples/github.yml"),
    ("docs/tutorials/slos-in-ci.md", "ci/examples/gitlab.yml"),
];

#[test]
fn copies_are_up_to_date() {
    for (page, file) in COPIES {
        let blocks = fences(&files::text(&files::root().join(page)));
        let text = files::text(&files::root().join(file));
        let text: Vec<_> = text.lines().skip_while(|line| line.starts_with('#')).collect();
        assert!(blocks.iter().any(|block| block.lines == text), "no block of {page} is the text of {file}");
    }
}
