//! What a launch makes, as the API server takes it.

use super::world::World;

#[test]
fn what_a_launch_makes_is_what_a_dry_run_shows() {
    let Some(world) = World::without_node() else { return };
    let values = [
        "tasks={ready,http}",
        "ready.service=shop",
        "http.url=http://shop/",
        "runner=cronjob",
        "cronjobSchedule=@yearly",
        "parallelism=2",
    ];
    let args = || values.iter().flat_map(|pair| ["--set", pair]);
    let said = world.k(["launch", "-g", "shown", "--dry", "--outputFile", "-"].into_iter().chain(args()));
    said.expect(0, &[]);
    world.k(["launch", "-g", "shown"].into_iter().chain(args())).expect(0, &[]);
    // What is there is just what would be applied, but for its owner and the document.
    let mut names = Vec::new();
    for text in said.stdout.split("---\n") {
        let shown = iter8::model::codec::value_from_yaml(text).unwrap();
        let (kind, name) = (shown["kind"].as_str().unwrap(), shown["metadata"]["name"].as_str().unwrap());
        let found = world.get(kind, name);
        for mark in ["labels", "annotations"] {
            assert_eq!(found["metadata"][mark], shown["metadata"][mark], "{kind} {name}");
        }
        names.push(format!("{}/{name}", kind.to_lowercase()));
        let managers: Vec<_> = found["metadata"]["managedFields"].as_array().into_iter().flatten().collect();
        assert!(managers.is_empty() || managers.iter().any(|entry| entry["manager"] == "iter8"), "{found:#}");
        let owner = &found["metadata"]["ownerReferences"][0]["name"];
        assert_eq!(owner.as_str(), (kind != "Secret" || name != "shown").then_some("shown"), "{kind} {name}");
    }
    let mut found: Vec<String> = world
        .objects("shown")
        .into_iter()
        .map(|name| {
            let (kind, name) = name.split_once('/').unwrap();
            format!("{}/{name}", kind.split('.').next().unwrap())
        })
        .collect();
    names.sort();
    found.sort();
    assert_eq!(found, names);
}

#[test]
fn the_api_server_takes_the_schedules_that_are_taken_here_and_no_others() {
    let Some(world) = World::without_node() else { return };
    let schedules = [
        "*/1 * * * *",
        "0 12 1-15 jan-MAR mon,5",
        "1/2 ? * * SUN",
        "@hourly",
        "@every 1h30m",
        "@midnight",
        "59 23 31 12 6",
        "* * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 7",
        "5-1 * * * *",
        "*/0 * * * *",
        "@fortnightly",
        "TZ=UTC * * * * *",
        "a * * * *",
        "1,,2 * * * *",
        "-1 * * * *",
        "* * * * mon-fri",
        "@every soon",
        "* * L * *",
        "* * * * 1#2",
    ];
    let mut taken = 0;
    for schedule in schedules {
        let yaml = format!(
            "{{apiVersion: batch/v1, kind: CronJob, metadata: {{name: c}}, spec: {{schedule: '{schedule}', jobTemplate: {{spec: \
             {{template: {{spec: {{restartPolicy: Never, containers: [{{name: a, image: a}}]}}}}}}}}}}}}"
        );
        let args = ["apply", "-n", &world.namespace, "--server-side", "--dry-run=server", "-f", "-"];
        let said = world.cluster.kubectl_with_input(&args, &yaml);
        let here = iter8::logic::launch::schedule::check(schedule);
        assert_eq!(said.code == Some(0), here.is_ok(), "{schedule}: {here:?}\n{said:#?}");
        taken += usize::from(here.is_ok());
    }
    assert_eq!(taken, 9);
}
