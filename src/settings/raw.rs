//! Raw settings of the server: for each key a text and its origin. Flags count before variables, variables before the file, the
//! file before defaults.

use std::collections::BTreeMap;
use std::{fs, io};

use config::{Config, Environment, FileFormat, Format as _, Map, Value, ValueKind};

use super::setting::{ConfigError, Definition, Setting, Texts};

/// All settings that are set, as texts.
#[derive(Debug, Clone)]
pub(super) struct RawSettings(BTreeMap<String, RawValue>);

#[derive(Debug, Clone)]
struct RawValue {
    text: String,
    origin: String,
}

/// The start of the names of all environment variables, before an underscore.
const PREFIX: &str = "MIRRORLIST";

/// The dot of a key, as variables' names have it.
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
    pub(super) fn collect(
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
        let origin = "the command line".to_owned();
        let flags = flags
            .into_iter()
            .map(|(key, text)| (key.to_owned(), Value::new(Some(&origin), text)));
        let layers = layers.add_source(variables).add_source(layer(flags.collect()));
        let layers = layers.build().map_err(|error| ConfigError::new(error.to_string()))?;
        let mut flat = BTreeMap::new();
        flatten(String::new(), layers.cache, &mut flat);
        let values = flat.into_iter().map(|(key, value)| {
            let value = RawValue::new(table, &key, value)?;
            Ok((key, value))
        });
        Ok(Self(values.collect::<Result<_, _>>()?))
    }

    /// Whether a setting is set anywhere.
    pub(super) fn is_set<T>(&self, setting: &Setting<T>) -> bool {
        self.0.contains_key(setting.definition.key)
    }
}

impl Texts for RawSettings {
    fn get<T>(&self, setting: &Setting<T>) -> Result<T, ConfigError> {
        let Definition { key, default, .. } = setting.definition;
        let value = self.0.get(key);
        let text = value.map_or(default, |value| value.text.trim());
        (setting.parse)(text).map_err(|expected| {
            let origin = value.map_or("the defaults", |value| &value.origin);
            ConfigError::new(format!("{key} = {text:?} in {origin}: expected {expected}"))
        })
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

/// The environment variable of a key.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}_{}", key.replace('.', SEPARATOR).to_ascii_uppercase())
}

/// A source of the `config` crate that is read already.
fn layer(values: Map<String, Value>) -> Config {
    let mut layer = Config::default();
    layer.cache = values.into();
    layer
}

/// The size of the largest configuration file in bytes; all settings with comments have some thousand.
const LARGEST_FILE: u64 = 1 << 20;

/// Reads a regular file: opening a pipe would wait for ever, and a device has no end.
fn read_file(path: &str) -> Result<Config, String> {
    let cannot_read = |error: io::Error| format!("cannot read it: {error}");
    let metadata = fs::metadata(path).map_err(cannot_read)?;
    if !metadata.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    if metadata.len() > LARGEST_FILE {
        return Err(format!(
            "it has more than {LARGEST_FILE} bytes; name a file of settings"
        ));
    }
    let text = fs::read_to_string(path).map_err(cannot_read)?;
    let values = FileFormat::Toml.parse(Some(&path.to_owned()), &text);
    values.map(layer).map_err(|error| {
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
        ENVIRONMENT => variable(key),
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
