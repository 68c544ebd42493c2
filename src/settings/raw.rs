//! Raw settings: for each key a text and where it was set. Flags count before variables, variables before the file, the file
//! before defaults.

use std::collections::BTreeMap;
use std::{fs, io};

use config::{Config, ConfigError as SourceError, Environment, File, FileFormat, Map, Value, ValueKind};

use super::ConfigError;
use super::table::{SETTINGS, VARIABLE_PREFIX, VARIABLE_SEPARATOR, find, variable};

/// A setting's text and where it was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawValue {
    /// The value as a text.
    pub text: String,
    /// Where it was set, in words; none for a default.
    pub origin: Option<String>,
}

/// All settings as texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawSettings {
    values: BTreeMap<String, RawValue>,
}

/// The variable that names the configuration file.
const FILE_VARIABLE: &str = "MIRRORLIST_CONFIG";

impl RawSettings {
    /// Collects the settings from all sources.
    ///
    /// # Errors
    /// Where the file can't be read or is no TOML, or a key is none of the settings.
    pub fn collect(
        file: Option<&str>,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut variables: Map<String, String> = environment
            .into_iter()
            .filter(|(name, _)| name.starts_with(VARIABLE_PREFIX))
            .collect();
        let file_variable = variables.remove(FILE_VARIABLE);
        let file = file.or(file_variable.as_deref());

        let mut values = defaults();
        if let Some(path) = file {
            let text =
                read_file(path).map_err(|problem| ConfigError::new(format!("configuration file {path}: {problem}")))?;
            let source = File::from_str(&text, FileFormat::Toml);
            let read = Config::builder().add_source(source).build();
            let read = read.map_err(|error| cannot_read(path, &error))?;
            values.extend(texts(read.cache, path)?);
        }
        let environment = Environment::with_prefix(VARIABLE_PREFIX)
            .prefix_separator("_")
            .separator(VARIABLE_SEPARATOR)
            .source(Some(variables));
        let environment = Config::builder().add_source(environment).build();
        let environment = environment.map_err(|error| ConfigError::new(format!("in the environment: {error}")))?;
        values.extend(texts(environment.cache, "the environment")?);
        values.extend(flags.into_iter().map(|(key, text)| {
            let origin = Some("the command line".to_owned());
            (key, RawValue { text, origin })
        }));
        Ok(Self { values })
    }

    /// The value of a setting.
    pub fn get(&self, key: &str) -> Option<&RawValue> {
        self.values.get(key)
    }
}

fn defaults() -> BTreeMap<String, RawValue> {
    let default = |text: &str| RawValue {
        text: text.to_owned(),
        origin: None,
    };
    SETTINGS
        .iter()
        .map(|setting| (setting.key.to_owned(), default(setting.default)))
        .collect()
}

/// A configuration file has at most so many bytes; all settings with comments have some thousand.
const LARGEST_FILE: u64 = 1 << 20;

/// The text of a regular file: opening a pipe would wait for ever, and what a device gives has no end.
fn read_file(path: &str) -> Result<String, String> {
    let cannot_read = |error: io::Error| format!("cannot read it: {error}");
    let metadata = fs::metadata(path).map_err(cannot_read)?;
    if !metadata.is_file() {
        return Err("it is no regular file".to_owned());
    }
    if metadata.len() > LARGEST_FILE {
        return Err(format!(
            "it has more than {LARGEST_FILE} bytes; give the settings' file"
        ));
    }
    fs::read_to_string(path).map_err(cannot_read)
}

fn cannot_read(path: &str, error: &SourceError) -> ConfigError {
    let text = error.to_string();
    let text: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    ConfigError::new(format!("configuration file {path}: {}", text.join(" ")))
}

/// The values of one source as texts, if all of its keys are settings.
fn texts(source: Value, origin: &str) -> Result<Vec<(String, RawValue)>, ConfigError> {
    let mut flat = BTreeMap::new();
    flatten(String::new(), source, &mut flat);
    flat.into_iter()
        .map(|(key, value)| {
            let setting = find(&key).ok_or_else(|| unknown(&key, origin))?;
            let text = text(value).ok_or_else(|| {
                ConfigError::new(format!(
                    "{key} in {origin}: expected {} as a text, a number or a list",
                    setting.value_name
                ))
            })?;
            let origin = Some(origin.to_owned());
            Ok((key, RawValue { text, origin }))
        })
        .collect()
}

/// A table's values by their keys, those of tables in it after a dot.
fn flatten(key: String, value: Value, flat: &mut BTreeMap<String, Value>) {
    match value.kind {
        ValueKind::Table(table) if find(&key).is_none() => {
            for (inner, value) in table {
                let key = if key.is_empty() {
                    inner
                } else {
                    format!("{key}.{inner}")
                };
                flatten(key, value, flat);
            }
        }
        _ => {
            flat.insert(key, value);
        }
    }
}

fn unknown(key: &str, origin: &str) -> ConfigError {
    let known: Vec<&str> = SETTINGS.iter().map(|setting| setting.key).collect();
    let name = if origin == "the environment" {
        variable(key)
    } else {
        key.to_owned()
    };
    ConfigError::new(format!(
        "unknown setting {name} in {origin}; the settings are {}",
        known.join(", ")
    ))
}

/// A value as a text; a list as a comma list.
fn text(value: Value) -> Option<String> {
    match value.kind {
        ValueKind::Array(elements) => {
            let elements: Option<Vec<String>> = elements.into_iter().map(text).collect();
            Some(elements?.join(","))
        }
        ValueKind::Table(_) | ValueKind::Nil => None,
        _ => value.into_string().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect(file: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<RawSettings, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.toml");
        fs::write(&path, file).unwrap();
        let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        RawSettings::collect(path.to_str(), owned(environment), owned(flags))
    }

    #[test]
    fn flags_before_variables_before_the_file_before_defaults() {
        let file = "port = 1\nminimum = 1\nlisten = \"::1\"\ntrusted_proxies = [\"10.0.0.0/8\", \"::1\"]\n\
                    [reload]\nwatch = \"1s\"\nsettle = \"1s\"\n";
        let environment = [
            ("MIRRORLIST_PORT", "2"),
            ("MIRRORLIST_MINIMUM", "2"),
            ("MIRRORLIST_RELOAD__WATCH", "off"),
            ("PATH", "/bin"),
        ];
        let raw = collect(file, &environment, &[("port", "3")]).unwrap();
        let text = |key| raw.get(key).unwrap().text.as_str();
        assert_eq!((text("port"), text("minimum"), text("listen")), ("3", "2", "::1"));
        assert_eq!(text("trusted_proxies"), "10.0.0.0/8,::1");
        assert_eq!(
            (text("log_level"), text("reload.watch"), text("reload.settle")),
            ("info", "off", "1s")
        );
    }

    #[test]
    fn unknown_keys_are_named_with_what_there_is() {
        let error = collect("prot = 1\n", &[], &[]).unwrap_err().to_string();
        assert!(
            error.starts_with("unknown setting prot in ") && error.contains("port"),
            "{error}"
        );
        let error = collect("[admin]\nlisen = 1\n", &[], &[]).unwrap_err().to_string();
        assert!(error.starts_with("unknown setting admin.lisen in "), "{error}");
        let error = collect("", &[("MIRRORLIST_ADMIN__LISEN", "1")], &[])
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("unknown setting MIRRORLIST_ADMIN__LISEN in "),
            "{error}"
        );
        let error = collect("", &[("MIRRORLIST_PROT", "1")], &[]).unwrap_err().to_string();
        assert!(
            error.starts_with("unknown setting MIRRORLIST_PROT in the environment"),
            "{error}"
        );
    }

    #[test]
    fn a_file_that_can_hold_no_settings_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let large = folder.path().join("large.toml");
        fs::File::create(&large).unwrap().set_len(1 << 40).unwrap();
        for (path, problem) in [
            (large.to_str(), "more than 1048576 bytes"),
            (folder.path().to_str(), "no regular file"),
            (Some("/dev/zero"), "no regular file"),
            (Some("/dev/null/x"), "cannot read it"),
        ] {
            let error = RawSettings::collect(path, [], []).unwrap_err().to_string();
            assert!(error.contains(path.unwrap()) && error.contains(problem), "{error}");
        }
    }

    #[test]
    fn a_file_that_is_no_toml_is_an_error_of_one_line() {
        let error = collect("port = = 1\n", &[], &[]).unwrap_err().to_string();
        assert!(error.contains("server.toml") && error.contains("line 1"), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}
