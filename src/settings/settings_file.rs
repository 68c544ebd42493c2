//! Files with all settings and their defaults as comments, for packages: taking away the `#` before a key changes nothing but that
//! the key is set.

use std::fmt::Write as _;

use super::raw::variable;
use super::setting::{Definition, Topic, by_topic};

/// The widest comment in characters.
const WIDTH: usize = 100;

/// Environment variables of the server, for `EnvironmentFile=` of systemd.
pub(super) fn variables(settings: &[Definition]) -> String {
    let head = "Settings of mirrorlist-server as environment variables, with their defaults. mirrorlist-server.service reads \
                this file. MIRRORLIST_CONFIG=FILE names a TOML file with more of them. A variable MIRRORLIST_... that is no \
                setting, or an unusable value, stops the server; `mirrorlist-server check` tells beforehand.";
    file(head, settings, |setting| {
        format!("#{}={}", variable(setting.key), setting.default)
    })
}

/// A TOML file of the server.
pub(super) fn toml(settings: &[Definition]) -> String {
    let head = "Settings of mirrorlist-server, with their defaults. --config or MIRRORLIST_CONFIG names this file. Flags and \
                variables count before it.";
    file(head, settings, |setting| {
        let bare = !setting.default.is_empty() && setting.default.bytes().all(|byte| byte.is_ascii_digit());
        match bare || matches!(setting.default, "true" | "false") {
            true => format!("#{} = {}", setting.key, setting.default),
            false => format!("#{} = {:?}", setting.key, setting.default),
        }
    })
}

/// Flags of the generator, for a service that hands `FLAGS` on.
pub(super) fn flags(settings: &[Definition]) -> String {
    let head = "Flags of generate-mirrorlist-cache, with their defaults. mirrorlist-generator.service hands those in FLAGS on; \
                separate them with spaces. The database is named in generate-mirrorlist-cache.cfg.";
    let lines = file(head, settings, |setting| match setting.value_name {
        Some(name) if setting.default.is_empty() => format!("#   --{} {name}", setting.key),
        Some(_) => format!("#   --{} {}", setting.key, setting.default),
        None => format!("#   --{}", setting.key),
    });
    format!("{lines}\nFLAGS=\n")
}

fn file(head: &str, settings: &[Definition], line: impl Fn(&Definition) -> String) -> String {
    let mut text = comment(head);
    for Topic { name, settings } in by_topic(settings) {
        // Writing to a String can't fail.
        let _ = writeln!(text, "\n## {name}");
        for setting in settings {
            let _ = writeln!(text, "\n{}{}", comment(setting.help), line(setting));
        }
    }
    text
}

/// A text in lines that begin with a number sign.
fn comment(text: &str) -> String {
    let mut lines = "#".to_owned();
    let mut width = 1;
    for word in text.split_whitespace() {
        if width + 1 + word.len() > WIDTH {
            lines.push_str("\n#");
            width = 1;
        }
        lines.push(' ');
        lines.push_str(word);
        width += 1 + word.len();
    }
    lines.push('\n');
    lines
}
