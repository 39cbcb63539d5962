//! CronWorkflows.

use argo::raw::{get, has, list, text};
use serde_json::Value;

use super::parameters::given;
use super::{Linter, spec};

/// The variable with the zone in which the steps cut an instant to its date.
const TIMEZONE: &str = "ALAMEDA_TIMEZONE";
const UTC: [&str; 3] = ["Etc/UTC", "UTC", ""];

impl<'a> Linter<'a> {
    pub(super) fn cron(&mut self, cron: &'a Value) {
        if list(cron, "schedules").is_empty() {
            self.at(".schedules", |l| {
                l.find(
                    "cron",
                    "there are no schedules: set `schedules: ['30 2 * * *']`",
                )
            });
        }
        self.each(cron, "schedules", |l, schedule| {
            let schedule = schedule.as_str().unwrap_or_default();
            if schedule.split_whitespace().count() != 5 && !schedule.starts_with('@') {
                l.find(
                    "cron",
                    format!(
                        "`{schedule}` is not a schedule: give minute, hour, day, month and weekday"
                    ),
                );
            }
        });
        let at_least_one = |field: &str| get(cron, field).as_u64().is_some_and(|number| number > 0);
        for (is_missing, field, what) in [
            (
                text(cron, "concurrencyPolicy").is_empty(),
                "concurrencyPolicy",
                "runs overlap: set `Forbid`",
            ),
            (
                !at_least_one("startingDeadlineSeconds"),
                "startingDeadlineSeconds",
                "a missed run is never caught up: set the seconds that it may be late",
            ),
            (
                text(cron, "timezone").is_empty(),
                "timezone",
                "the controller's own zone counts: set it",
            ),
            (
                !has(cron, "successfulJobsHistoryLimit"),
                "successfulJobsHistoryLimit",
                "all but 3 runs are deleted: say how many are kept",
            ),
            (
                !has(cron, "failedJobsHistoryLimit"),
                "failedJobsHistoryLimit",
                "all but one failed run are deleted: say how many are kept",
            ),
            (
                text(cron, "stopStrategy.expression").contains("=="),
                "stopStrategy.expression",
                "the count can skip that number: use `>=`",
            ),
        ] {
            if is_missing {
                self.at(&format!(".{field}"), |l| {
                    l.find("cron", format!("`{field}`: {what}"))
                });
            }
        }
        self.timezone(text(cron, "timezone"));
    }

    fn timezone(&mut self, zone: &str) {
        let own = list(self.of.spec, "arguments.parameters");
        let target = self
            .of
            .library
            .templates
            .get(text(self.of.spec, "workflowTemplateRef.name"));
        let inherited = target.map_or(&[][..], |target| list(spec(target), "arguments.parameters"));
        let config = own
            .iter()
            .chain(inherited)
            .find(|parameter| text(parameter, "name") == "config")
            .and_then(given);
        let Some(map) = config.map(|config| format!("alameda-{config}")) else {
            return;
        };
        let Some(keys) = self.of.maps.get(&map) else {
            return;
        }; // Another cluster's, which is not at hand.
        let steps = keys.get(TIMEZONE).map(String::as_str).unwrap_or_default();
        if !zone.is_empty() && steps != zone && !(UTC.contains(&steps) && UTC.contains(&zone)) {
            let what = format!("`{zone}` here, `{steps}` in {map}.data.{TIMEZONE}");
            self.at(".timezone", |l| l.find("cron-timezone", what));
        }
    }
}
