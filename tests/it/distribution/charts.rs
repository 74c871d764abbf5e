//! Charts as a release has them.

use std::process::Command;

use super::script;
use crate::support::tools;

#[test]
fn packaged_charts_use_the_image_of_the_release() {
    let Some(helm) = tools::needed("helm") else { return };
    let directory = tempfile::tempdir().unwrap();
    let image = "ghcr.io/acme/iter8";
    let output = Command::new(script("package-charts")).arg(image).arg(directory.path()).env("HELM", &helm).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{output:?}");
    let version = env!("CARGO_PKG_VERSION");
    let expected = format!("image:{image}:{version}");
    let values = ["--set=tasks={http}", "--set=http.url=http://a:80", "--set=runner=job"];
    for (chart, values) in [("iter8", &values[..]), ("controller", &[])] {
        let package = directory.path().join(format!("{chart}-{version}.tgz"));
        let output = Command::new(&helm).arg("template").arg(package).args(values).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let images: Vec<&str> = text.lines().map(str::trim).filter(|line| line.contains("image:")).collect();
        assert!(!images.is_empty(), "{output:?}");
        let is_expected = |line: &&str| line.replace(['"', ' '], "") == expected;
        assert!(images.iter().all(is_expected), "{chart}: {images:?}");
    }
    assert!(directory.path().join(format!("traffic-templates-{version}.tgz")).is_file());
}
