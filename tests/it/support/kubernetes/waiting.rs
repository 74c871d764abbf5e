//! Waits for what becomes of objects, by watching them.

use std::process::Stdio;
use std::sync::mpsc;
use std::time::Instant;

use serde_json::Value;

use super::{ControlPlane, TIMEOUT};

impl ControlPlane {
    /// Waits until an object, which need not be there yet, is as it should be, and gives it. `resource` is what kubectl calls it.
    #[track_caller]
    pub fn wait_for(&self, resource: &str, namespace: &str, name: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let selector = format!("--field-selector=metadata.name={name}");
        self.watch(resource, namespace, &selector, &|event, object| event != "DELETED" && is_so(object))
    }

    /// Waits until one of the objects with these labels is as it should be, and gives it.
    #[track_caller]
    pub fn wait_for_one(&self, resource: &str, namespace: &str, labels: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let selector = format!("--selector={labels}");
        self.watch(resource, namespace, &selector, &|event, object| event != "DELETED" && is_so(object))
    }

    /// Waits until an object has a condition of this type that is true, and gives the object. A Job's are `Complete` and `Failed`.
    #[track_caller]
    pub fn wait_for_condition(&self, resource: &str, namespace: &str, name: &str, condition: &str) -> Value {
        self.wait_for(resource, namespace, name, |object| {
            let conditions = object["status"]["conditions"].as_array();
            conditions.is_some_and(|all| all.iter().any(|one| one["type"] == condition && one["status"] == "True"))
        })
    }

    /// Waits until an object is no more.
    #[track_caller]
    pub fn wait_until_gone(&self, resource: &str, namespace: &str, name: &str) {
        let object = format!("{resource}/{name}");
        let patience = format!("--timeout={}s", TIMEOUT.as_secs());
        let output = self.kubectl(&["wait", "-n", namespace, "--for=delete", &object, &patience]);
        assert_eq!(
            output.code,
            Some(0),
            "{object} is still there: {output:#?}\n{}",
            self.get(resource, namespace, name)
        );
    }

    #[track_caller]
    fn watch(&self, resource: &str, namespace: &str, which: &str, is_so: &dyn Fn(&str, &Value) -> bool) -> Value {
        let started = Instant::now();
        let mut last = Value::Null;
        while started.elapsed() < TIMEOUT {
            let mut command = self.kubectl_command();
            command.args(["get", resource, "-n", namespace, which, "--watch", "--output-watch-events", "-o", "json"]);
            let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            let output = child.stdout.take().unwrap();
            let (tell, message) = mpsc::channel();
            // The thread ends with kubectl.
            std::thread::spawn(move || {
                let events = serde_json::Deserializer::from_reader(output).into_iter::<Value>();
                events.map_while(Result::ok).all(|event| tell.send(event).is_ok())
            });
            let found = loop {
                let Ok(mut event) = message.recv_timeout(TIMEOUT.saturating_sub(started.elapsed())) else {
                    break None;
                };
                last = event["object"].take();
                if is_so(event["type"].as_str().unwrap_or_default(), &last) {
                    break Some(last.take());
                }
            };
            let _ = child.kill();
            let output = child.wait_with_output().unwrap();
            if let Some(found) = found {
                return found;
            }
            // Watches end when the API server does, and some time after their beginning.
            last = if last.is_null() { Value::from(String::from_utf8_lossy(&output.stderr)) } else { last };
            std::thread::sleep(super::POLL_INTERVAL);
        }
        let events = self.kubectl(&["get", "events", "-n", namespace]).stdout;
        panic!("{resource} {which} in {namespace} after {TIMEOUT:?}; seen last: {last:#}\nevents:\n{events}")
    }
}
