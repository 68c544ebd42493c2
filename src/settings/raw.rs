//! Raw settings of the server: for each key a text and its origin. Flags count before variables, variables before the file, the
//! file before defaults.

use std::collections::BTreeMap;
use std::{fs, io};

use config::{Config, Environment, FileFormat, Format as _, Map, Source, Value, ValueKind};

use super::error::ConfigError;
use super::setting::{Definition, Setting};

/// All settings that are set, as texts.
#[derive(Debug, Clone)]
pub struct RawSettings {
    values: BTreeMap<String, RawValue>,
}

#[derive(Debug, Clone)]
struct RawValue {
    text: String,
    origin: String,
}

/// What the names of all environment variables begin with, before an underscore.
const PREFIX: &str = "MIRRORLIST";

/// What stands for the dot of a key in a variable's name.
const SEPARATOR: &str = "__";

/// The variable that names the configuration file.
const FILE_VARIABLE: &str = "MIRRORLIST_CONFIG";

/// The origin of variables, as the `config` crate calls it.
const ENVIRONMENT: &str = "the environment";

impl RawSettings {
    /// Collects settings of a table from all sources.
    ///
    /// # Errors
    /// The file can't be read or is not TOML, or a key is not in the table.
    pub fn collect(
        table: &[Definition],
        file: Option<&str>,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Result<Self, ConfigError> {
        let named = environment.into_iter().filter(|(name, _)| name.starts_with(PREFIX));
        let mut variables: Map<String, String> = named.collect();
        let file_variable = variables.remove(FILE_VARIABLE);
        let mut layers = Config::builder();
        if let Some(path) = file.or(file_variable.as_deref()) {
            let problem = |problem| ConfigError::new(format!("configuration file {path}: {problem}"));
            layers = layers.add_source(read_file(path).map_err(problem)?);
        }
        let variables = Environment::with_prefix(PREFIX)
            .prefix_separator("_")
            .separator(SEPARATOR)
            .source(Some(variables));
        let flags = flags.into_iter().map(|(key, text)| (key.to_owned(), flag_value(text)));
        let layers = layers.add_source(variables).add_source(Layer(flags.collect()));
        let layers = layers.build().map_err(|error| ConfigError::new(error.to_string()))?;
        let mut flat = BTreeMap::new();
        flatten(String::new(), layers.cache, &mut flat);
        let values = flat.into_iter().map(|(key, value)| {
            let value = RawValue::new(table, &key, value)?;
            Ok((key, value))
        });
        values.collect::<Result<_, _>>().map(|values| Self { values })
    }

    /// The checked value of a setting.
    ///
    /// # Errors
    /// The text is not what the setting expects.
    pub fn get<T>(&self, setting: &Setting<T>) -> Result<T, ConfigError> {
        let Definition { key, default, .. } = setting.definition;
        let value = self.values.get(key);
        let text = value.map_or(default, |value| value.text.trim());
        (setting.parse)(text).map_err(|expected| {
            let origin = value.map_or("the defaults", |value| &value.origin);
            ConfigError::new(format!("{key} = {text:?} in {origin}: expected {expected}"))
        })
    }

    /// Whether a setting is set anywhere.
    pub fn is_set<T>(&self, setting: &Setting<T>) -> bool {
        self.values.contains_key(setting.definition.key)
    }
}

impl RawValue {
    fn new(table: &[Definition], key: &str, value: Value) -> Result<Self, ConfigError> {
        let origin = value.origin().unwrap_or("an unnamed source").to_owned();
        if !table.iter().any(|setting| setting.key == key) {
            return Err(unknown(table, key, &origin));
        }
        match text(value) {
            Some(text) => Ok(Self { text, origin }),
            None => Err(ConfigError::new(format!(
                "{key} in {origin}: expected a text, a number or a list"
            ))),
        }
    }
}

/// A source of the `config` crate that is read already.
#[derive(Debug, Clone)]
struct Layer(Map<String, Value>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(self.0.clone())
    }
}

fn flag_value(text: String) -> Value {
    Value::new(Some(&"the command line".to_owned()), text)
}

/// The size of the largest configuration file in bytes; all settings with comments have some thousand.
const LARGEST_FILE: u64 = 1 << 20;

/// Reads a regular file: opening a pipe would wait for ever, and a device has no end.
fn read_file(path: &str) -> Result<Layer, String> {
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
    let text = fs::read_to_string(path).map_err(cannot_read)?;
    FileFormat::Toml
        .parse(Some(&path.to_owned()), &text)
        .map(Layer)
        .map_err(|error| {
            let error = error.to_string();
            let lines: Vec<&str> = error.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
            lines.join(" ")
        })
}

/// Lists a table's values by their keys, those of inner tables after a dot.
fn flatten(key: String, value: Value, flat: &mut BTreeMap<String, Value>) {
    let ValueKind::Table(table) = value.kind else {
        flat.insert(key, value);
        return;
    };
    for (inner, value) in table {
        let inner = match key.as_str() {
            "" => inner,
            key => format!("{key}.{inner}"),
        };
        flatten(inner, value, flat);
    }
}

/// How alike two names are, from 0 to 1, when one may be meant by the other.
const ALIKE: f64 = 0.8;

fn unknown(table: &[Definition], key: &str, origin: &str) -> ConfigError {
    let name = |key: &str| match origin {
        ENVIRONMENT => format!("{PREFIX}_{}", key.replace('.', SEPARATOR).to_ascii_uppercase()),
        _ => key.to_owned(),
    };
    let keys = table.iter().map(|setting| setting.key);
    let rated = keys.clone().map(|known| (strsim::jaro(key, known), known));
    let advice = match rated.max_by(|(one, _), (other, _)| one.total_cmp(other)) {
        Some((likeness, meant)) if likeness >= ALIKE => format!("did you mean {}?", name(meant)),
        _ => format!("the settings are {}", keys.collect::<Vec<_>>().join(", ")),
    };
    ConfigError::new(format!("unknown setting {} in {origin}; {advice}", name(key)))
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

    const fn text(key: &'static str) -> Setting<String> {
        Setting::new(key, "TEXT", |text| Ok(text.to_owned()))
    }

    const PORT: Setting<String> = text("port").default("3000");
    const MINIMUM: Setting<String> = text("minimum").default("5");
    const LISTEN: Setting<String> = text("listen").default("127.0.0.1");
    const PROXIES: Setting<String> = text("trusted_proxies");
    const ADMIN: Setting<String> = text("admin.listen");
    const WATCH: Setting<String> = text("reload.watch").default("2s");
    const SETTLE: Setting<String> = text("reload.settle").default("1s");
    const TABLE: &[Definition] = &[
        PORT.definition,
        MINIMUM.definition,
        LISTEN.definition,
        PROXIES.definition,
        ADMIN.definition,
        WATCH.definition,
        SETTLE.definition,
    ];

    fn collect(
        file: &str,
        environment: &[(&str, &str)],
        flags: &[(&'static str, &str)],
    ) -> Result<RawSettings, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.toml");
        fs::write(&path, file).unwrap();
        let environment = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let flags = flags.iter().map(|(key, value)| (*key, (*value).to_owned()));
        RawSettings::collect(TABLE, path.to_str(), environment, flags)
    }

    #[test]
    fn flags_before_variables_before_the_file_before_defaults() {
        let file = "port = 1\nminimum = 1\nlisten = \"::1\"\ntrusted_proxies = [\"10.0.0.0/8\", \"::1\"]\n\
                    [reload]\nwatch = \"1s\"\nsettle = \"500ms\"\n";
        let environment = [
            ("MIRRORLIST_PORT", "2"),
            ("MIRRORLIST_MINIMUM", "2"),
            ("MIRRORLIST_RELOAD__WATCH", "off"),
            ("PATH", "/bin"),
        ];
        let raw = collect(file, &environment, &[("port", "3")]).unwrap();
        for (setting, expected) in [
            (&PORT, "3"),
            (&MINIMUM, "2"),
            (&LISTEN, "::1"),
            (&PROXIES, "10.0.0.0/8,::1"),
            (&ADMIN, ""),
            (&WATCH, "off"),
            (&SETTLE, "500ms"),
        ] {
            assert_eq!(raw.get(setting).unwrap(), expected, "{}", setting.definition.key);
        }
        assert!(raw.is_set(&SETTLE) && !raw.is_set(&ADMIN));
    }

    #[test]
    fn unknown_keys_are_named_with_what_may_be_meant() {
        for (file, environment, said) in [
            ("prot = 1\n", None, "unknown setting prot in "),
            ("prot = 1\n", None, "did you mean port?"),
            ("[admin]\nlisen = 1\n", None, "did you mean admin.listen?"),
            ("\"admin_listen\" = 1\n", None, "did you mean admin.listen?"),
            ("port = { a = 1 }\n", None, "unknown setting port.a in "),
            ("colour = 1\n", None, "; the settings are port, minimum, listen, "),
            (
                "",
                Some("MIRRORLIST_PROT"),
                "unknown setting MIRRORLIST_PROT in the environment; did you mean MIRRORLIST_PORT?",
            ),
            (
                "",
                Some("MIRRORLIST_ADMIN__LISEN"),
                "did you mean MIRRORLIST_ADMIN__LISTEN?",
            ),
        ] {
            let environment = environment.map(|name| (name, "1"));
            let error = collect(file, environment.as_slice(), &[]).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
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
            let error = RawSettings::collect(TABLE, path, [], []).unwrap_err().to_string();
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
