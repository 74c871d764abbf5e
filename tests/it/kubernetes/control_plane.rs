//! The control plane and the node are what they claim to be.

use crate::support::kubernetes::ControlPlane;

#[test]
fn the_control_plane_starts() {
    let begun = std::time::Instant::now();
    let Some(cluster) = ControlPlane::shared() else { return };
    eprintln!("{:?}", begun.elapsed());
    eprintln!("{}", cluster.kubectl_ok(&["version"]));
}
