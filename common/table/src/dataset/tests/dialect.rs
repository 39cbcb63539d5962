//! The dialect of CSV files, and forms of dates and times.

use super::*;

fn with_csv(csv: Value, format: Option<(&str, &str)>) -> anyhow::Result<Dataset> {
    let mut contract = json!({"csv": csv, "columns": [
        {"name": "id", "type": "utf8", "role": "id"},
        {"name": "target", "type": "int64", "role": "target"},
    ]});
    if let Some((column_type, format)) = format {
        let column = json!({"name": "c", "type": column_type, "role": "ignored", "format": format});
        contract["columns"].as_array_mut().unwrap().push(column);
    }
    Dataset::parse(contract.to_string().as_bytes())
}

#[test]
fn a_contract_without_a_dialect_is_written_as_ever() {
    let text = r#"{"columns":[{"name":"id","type":"utf8","role":"id","nullable":false},{"name":"y","type":"bool","role":"target","nullable":false}]}"#;
    let dataset = Dataset::parse(text.as_bytes()).unwrap();
    assert_eq!(serde_json::to_string(&dataset).unwrap(), text);
    assert_eq!(dataset.csv, Csv::default());
    let named = text.replacen('{', "{\"$schema\": \"dataset.schema.json\", ", 1);
    let named = Dataset::parse(named.as_bytes()).unwrap();
    assert_eq!(named.schema.as_deref(), Some("dataset.schema.json"));
}

#[test]
fn a_dialect_that_can_not_be_is_refused_by_setting() {
    for (csv, reason) in [
        (json!({"separator": "ab"}), "expected a character"),
        (
            json!({"separator": "x"}),
            "`csv`: `separator` is 'x': it must be a tab",
        ),
        (json!({"separator": "é"}), "`csv`: `separator` is 'é'"),
        (json!({"separator": "."}), "`csv`: `separator` is '.'"),
        (json!({"quote": "\t"}), "`csv`: `quote` is '\\t'"),
        (
            json!({"separator": ";", "quote": ";"}),
            "`separator` and `quote` are the same: ';'",
        ),
        (
            json!({"decimal": ";"}),
            "`csv`: `decimal` is ';': it must be \".\" or \",\"",
        ),
        (json!({"thousands": "0"}), "`csv`: `thousands` is '0'"),
        (json!({"thousands": "-"}), "`csv`: `thousands` is '-'"),
        (
            json!({"thousands": "."}),
            "`decimal` and `thousands` are the same: '.'",
        ),
        (
            json!({"thousands": ",", "quote": null}),
            "`separator` and `thousands` are the same",
        ),
        (json!({"comment": "-"}), "`csv`: `comment` is '-'"),
        (
            json!({"comment": "\""}),
            "`quote` and `comment` are the same",
        ),
        (
            json!({"encoding": "utf8"}),
            "unknown variant `utf8`, expected one of `utf-8`, `latin-1`",
        ),
        (
            json!({"seperator": ";"}),
            "unknown field `seperator`, expected one of `separator`",
        ),
        (json!({"date_format": "%d.%m.%Q"}), "%Q is none of %Y, %y"),
        (json!({"date_format": "%d.%m"}), "a date has %Y or %y once"),
        (
            json!({"date_format": "%d.%m.%Y %z %H"}),
            "`csv`: `date_format` is \"%d.%m.%Y %z %H\": it has %z",
        ),
        (
            json!({"timestamptz_format": "%d.%m.%Y %H:%M"}),
            "it lacks %z",
        ),
        (json!({"timestamp_format": "%d.%m.%Y %H:%S"}), "%S needs %M"),
        (
            json!({"timestamp_format": "%d.%m.%Y %I:%M"}),
            "%I and %p go together",
        ),
        (
            json!({"timestamp_format": "%d.%m.%d.%Y"}),
            "it has %d twice",
        ),
        (json!({"timestamp_format": "%d.%m.%Y %"}), "it ends with %"),
    ] {
        let error = with_csv(csv.clone(), None).unwrap_err();
        assert_eq!(exit_code(&error), 2, "{csv}");
        assert!(error.to_string().contains(reason), "{csv}: {error}");
    }
    for sound in [
        json!({"decimal": ","}),
        json!({"thousands": ","}),
        json!({"separator": "\t", "quote": "'", "thousands": "\u{a0}", "nulls": ["", "NA"]}),
        json!({"separator": "\u{1}", "quote": null, "comment": "#", "header": false}),
    ] {
        with_csv(sound.clone(), None).unwrap();
    }
    let error = with_csv(json!({}), Some(("int64", "%Y%m%d"))).unwrap_err();
    let reason = "column \"c\": `format` is \"%Y%m%d\": it is for dates and times only";
    assert!(error.to_string().contains(reason), "{error}");
}

#[test]
fn a_text_is_of_its_form_or_has_no_value() {
    for (form, text, expected) in [
        ("%d.%m.%Y", "31.12.2024", Some("2024-12-31T00:00:00+00:00")),
        ("%d.%m.%Y", "1.2.2024", Some("2024-02-01T00:00:00+00:00")),
        ("%d.%m.%Y", "29.2.2023", None),
        ("%d.%m.%Y", "31.12.24", None),
        ("%d.%m.%Y", "31.12.20244", None),
        ("%d.%m.%Y", " 31.12.2024", None),
        ("%d.%m.%Y", "31.12.2024 ", None),
        ("%d.%m.%Y", "+1.12.2024", None),
        ("%d.%m.%y", "31.12.68", Some("2068-12-31T00:00:00+00:00")),
        ("%d.%m.%y", "31.12.69", Some("1969-12-31T00:00:00+00:00")),
        ("%Y%m%d", "20240229", Some("2024-02-29T00:00:00+00:00")),
        ("%Y%m%d", "2024229", None),
        ("%d-%b-%Y", "05-feb-2024", Some("2024-02-05T00:00:00+00:00")),
        ("%d %B %Y", "5 May 2024", Some("2024-05-05T00:00:00+00:00")),
        ("%d %B %Y", "5 Mai 2024", None),
        (
            "%m/%d/%Y %I:%M %p",
            "2/5/2024 12:30 AM",
            Some("2024-02-05T00:30:00+00:00"),
        ),
        (
            "%m/%d/%Y %I:%M %p",
            "2/5/2024 12:30 pm",
            Some("2024-02-05T12:30:00+00:00"),
        ),
        ("%m/%d/%Y %I:%M %p", "2/5/2024 0:30 pm", None),
        ("%m/%d/%Y %H:%M", "2/5/2024 24:00", None),
        ("%Y-%m-%d %H:%M:%S", "2024-02-05 23:59:60", None),
        (
            "%Y-%m-%d %H:%M:%S.%f",
            "2024-02-05 23:59:59.25",
            Some("2024-02-05T23:59:59.250+00:00"),
        ),
        ("%Y-%m-%d %H:%M:%S.%f", "2024-02-05 23:59:59.", None),
        (
            "%Y-%m-%d %H:%M%z",
            "2024-02-05 23:30-0130",
            Some("2024-02-06T01:00:00+00:00"),
        ),
        (
            "%Y-%m-%d %H:%M %z",
            "2024-02-05 23:30 +05:30",
            Some("2024-02-05T18:00:00+00:00"),
        ),
        (
            "%Y-%m-%d %H:%M%z",
            "2024-02-05 23:30Z",
            Some("2024-02-05T23:30:00+00:00"),
        ),
        ("%Y-%m-%d %H:%M%z", "2024-02-05 23:30", None),
        (
            "100%% %d.%m.%Y",
            "100% 31.12.2024",
            Some("2024-12-31T00:00:00+00:00"),
        ),
        (
            "%Y年%m月%d日",
            "2024年2月5日",
            Some("2024-02-05T00:00:00+00:00"),
        ),
        ("%Y年%m月%d日", "2024年2", None),
    ] {
        let form = Form::try_from(form.to_owned()).unwrap();
        let found = form.read(text).map(|moment| moment.to_rfc3339());
        assert_eq!(found.as_deref(), expected, "{form} {text}");
    }
}
