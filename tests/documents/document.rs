//! A document as a list of blocks: its examples, and everything else as it is.

use super::pattern::Order;

/// The files that the server of an example is started with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Configuration {
    /// The configuration file.
    pub(crate) settings: Option<String>,
    /// The file of rules.
    pub(crate) rules: Option<String>,
}

/// A command and its output.
#[derive(Debug, Clone)]
pub(crate) struct Example {
    /// The line of the command in the document, from 1.
    pub(crate) line: usize,
    /// The command, without the prompt.
    pub(crate) command: String,
    /// The lines of the output.
    pub(crate) output: Vec<String>,
}

/// A fenced block of examples.
#[derive(Debug, Clone)]
pub(crate) struct Examples {
    /// The line that opens the block.
    opening: String,
    /// How lines are compared.
    pub(crate) order: Order,
    /// The files that count here.
    pub(crate) configuration: Configuration,
    /// The examples.
    pub(crate) examples: Vec<Example>,
}

/// A part of a document.
#[derive(Debug)]
pub(crate) enum Block {
    /// Lines that are no examples.
    Text(String),
    /// A fenced block of examples.
    Examples(Examples),
}

impl Block {
    /// The block as it stands in the document.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Examples(block) => {
                let examples = block.examples.iter().flat_map(|example| {
                    let command = format!("$ {}\n", example.command);
                    let output = example.output.iter().map(|line| format!("{line}\n"));
                    [command].into_iter().chain(output)
                });
                let examples: String = examples.collect();
                format!("{}\n{examples}```\n", block.opening)
            }
        }
    }
}

/// Splits a document into its blocks.
pub(crate) fn blocks(document: &str) -> Vec<Block> {
    let (mut blocks, mut configuration) = (Vec::new(), Configuration::default());
    let mut lines = document.lines().zip(1..);
    while let Some((line, number)) = lines.next() {
        let Some(words) = line.strip_prefix("```") else {
            if line.starts_with('#') {
                configuration = Configuration::default();
            }
            blocks.push(Block::Text(format!("{line}\n")));
            continue;
        };
        let inner: Vec<(&str, usize)> = lines.by_ref().take_while(|(line, _)| *line != "```").collect();
        let text: String = inner.iter().map(|(line, _)| format!("{line}\n")).collect();
        let words: Vec<&str> = words.split_whitespace().collect();
        match words[..] {
            ["console"] => blocks.push(examples(line, Order::AsWritten, &configuration, &inner)),
            ["console", "any-order"] => blocks.push(examples(line, Order::Any, &configuration, &inner)),
            ["console", ..] => panic!("line {number}: {line}: a block of examples is `console` or `console any-order`"),
            _ => {
                match words[..] {
                    ["toml", "settings"] => configuration.settings = Some(text.clone()),
                    ["toml", "rules"] => configuration.rules = Some(text.clone()),
                    _ => {}
                }
                blocks.push(Block::Text(format!("{line}\n{text}```\n")));
            }
        }
    }
    blocks
}

fn examples(opening: &str, order: Order, configuration: &Configuration, lines: &[(&str, usize)]) -> Block {
    let mut examples: Vec<Example> = Vec::new();
    for (line, number) in lines {
        match (line.strip_prefix("$ "), examples.last_mut()) {
            (Some(command), _) => examples.push(Example {
                line: *number,
                command: command.to_owned(),
                output: Vec::new(),
            }),
            (None, Some(example)) => example.output.push((*line).to_owned()),
            (None, None) => panic!("line {number}: {line}: an example begins with `$ `"),
        }
    }
    Block::Examples(Examples {
        opening: opening.to_owned(),
        order,
        configuration: configuration.clone(),
        examples,
    })
}
