//! Serialization parameters — Serialization 3.1 §3.

use crate::Str;
use crate::error::{Result, fail};
use crate::names::QName;
use hashbrown::{HashMap, HashSet};

/// An output method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is named like the method")]
pub enum Method {
    Xml,
    Html,
    Xhtml,
    Text,
    Json,
    Adaptive,
}

/// How a sequence is serialized. The defaults are those of the xml method, without an XML declaration.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "each is named like the parameter")]
pub struct Parameters {
    pub method: Method,
    pub version: Option<String>,
    pub html_version: Option<String>,
    pub encoding: String,
    pub indent: bool,
    pub omit_declaration: bool,
    pub standalone: Option<bool>,
    pub doctype_public: Option<String>,
    pub doctype_system: Option<String>,
    pub cdata_section_elements: HashSet<QName>,
    pub suppress_indentation: HashSet<QName>,
    pub item_separator: Option<Str>,
    pub undeclare_prefixes: bool,
    pub escape_uri_attributes: bool,
    pub include_content_type: bool,
    pub media_type: Option<String>,
    pub byte_order_mark: bool,
    pub normalization_form: Option<String>,
    pub character_map: HashMap<char, Str>,
    pub allow_duplicate_names: bool,
    pub json_node_output_method: Method,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            method: Method::Xml,
            version: None,
            html_version: None,
            encoding: "UTF-8".to_owned(),
            indent: false,
            omit_declaration: true,
            standalone: None,
            doctype_public: None,
            doctype_system: None,
            cdata_section_elements: HashSet::new(),
            suppress_indentation: HashSet::new(),
            item_separator: None,
            undeclare_prefixes: false,
            escape_uri_attributes: true,
            include_content_type: true,
            media_type: None,
            byte_order_mark: false,
            normalization_form: None,
            character_map: HashMap::new(),
            allow_duplicate_names: false,
            json_node_output_method: Method::Xml,
        }
    }
}

fn method(value: &str) -> Result<Method> {
    Ok(match value {
        "xml" => Method::Xml,
        "html" => Method::Html,
        "xhtml" => Method::Xhtml,
        "text" => Method::Text,
        "json" => Method::Json,
        "adaptive" => Method::Adaptive,
        other => return Err(fail("SEPM0016", format!("{other:?} is no output method"))),
    })
}

impl Parameters {
    /// Sets a parameter from its text. Names in lists are `Q{uri}local` or local names. Errors: SEPM0016, SEPM0017.
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let trimmed = value.trim();
        let truth = || match trimmed {
            "yes" | "true" | "1" => Ok(true),
            "no" | "false" | "0" => Ok(false),
            other => Err(fail("SEPM0016", format!("parameter {name} is yes or no, not {other:?}"))),
        };
        match name {
            "method" => {
                let local = trimmed.strip_prefix("Q{}").unwrap_or(trimmed);
                self.method = method(local)?;
            }
            "version" => self.version = Some(trimmed.to_owned()),
            "html-version" => match trimmed.parse::<f64>() {
                Ok(_) => self.html_version = Some(trimmed.to_owned()),
                Err(_) => return Err(fail("SEPM0016", format!("html-version is a number, not {trimmed:?}"))),
            },
            "encoding" => self.encoding = trimmed.to_owned(),
            "indent" => self.indent = truth()?,
            "omit-xml-declaration" => self.omit_declaration = truth()?,
            "standalone" => self.standalone = if trimmed == "omit" { None } else { Some(truth()?) },
            "doctype-public" => {
                let valid = |c: char| c.is_ascii_alphanumeric() || " \r\n-'()+,./:=?;!*#@$_%".contains(c);
                if !trimmed.chars().all(valid) {
                    return Err(fail("SEPM0016", format!("{trimmed:?} is no public identifier")));
                }
                self.doctype_public = Some(trimmed.to_owned());
            }
            "doctype-system" => {
                if trimmed.contains('"') && trimmed.contains('\'') {
                    return Err(fail("SEPM0016", "a system identifier has not both kinds of quotes"));
                }
                self.doctype_system = Some(trimmed.to_owned());
            }
            "cdata-section-elements" => self.cdata_section_elements.extend(names(trimmed)),
            "suppress-indentation" => self.suppress_indentation.extend(names(trimmed)),
            "item-separator" => self.item_separator = Some(Str::from(value)),
            "undeclare-prefixes" => self.undeclare_prefixes = truth()?,
            "escape-uri-attributes" => self.escape_uri_attributes = truth()?,
            "include-content-type" => self.include_content_type = truth()?,
            "media-type" => self.media_type = Some(trimmed.to_owned()),
            "byte-order-mark" => self.byte_order_mark = truth()?,
            "normalization-form" => self.normalization_form = Some(trimmed.to_owned()).filter(|form| form != "none"),
            "allow-duplicate-names" => self.allow_duplicate_names = truth()?,
            "json-node-output-method" => self.json_node_output_method = method(trimmed)?,
            // A parameter document is read by whoever has a resolver.
            "parameter-document" | "use-character-maps" => {}
            other => return Err(fail("SEPM0017", format!("there is no serialization parameter {other}"))),
        }
        Ok(())
    }

    /// Checks what only holds between parameters. Errors: SEPM0009, SESU0007, SESU0011, SESU0013.
    pub fn check(&self) -> Result<()> {
        let version = self.version.as_deref();
        if self.method == Method::Xml {
            if !matches!(version, None | Some("1.0" | "1.1")) {
                return Err(fail("SESU0013", format!("XML version {} is not supported", version.unwrap_or_default())));
            }
            if self.undeclare_prefixes && version != Some("1.1") {
                return Err(fail("SEPM0010", "undeclare-prefixes needs version 1.1"));
            }
        }
        let has_document_type = self.doctype_system.is_some() && version.is_some_and(|version| version != "1.0");
        let xml = matches!(self.method, Method::Xml | Method::Xhtml);
        if xml && self.omit_declaration && (self.standalone.is_some() || has_document_type) {
            return Err(fail("SEPM0009", "an XML declaration that is left out cannot have standalone"));
        }
        if let Some(version) = self.html_version.as_deref().or(version)
            && self.method == Method::Html
            && !matches!(version.parse::<f64>(), Ok(v) if (3.2..=5.1).contains(&v))
        {
            return Err(fail("SESU0013", format!("HTML version {version} is not supported")));
        }
        if encoding_rs::Encoding::for_label(self.encoding.as_bytes()).is_none() && self.encoding != "UTF-16" {
            return Err(fail("SESU0007", format!("encoding {} is not supported", self.encoding)));
        }
        if !matches!(self.normalization_form.as_deref(), None | Some("NFC" | "NFD" | "NFKC" | "NFKD")) {
            return Err(fail("SESU0011", "the normalization form is not supported"));
        }
        Ok(())
    }

    /// The version of HTML.
    #[must_use]
    pub fn html_version(&self) -> f64 {
        let version = self.html_version.as_deref().or(self.version.as_deref());
        version.and_then(|version| version.parse().ok()).unwrap_or(5.0)
    }
}

fn names(text: &str) -> impl Iterator<Item = QName> + '_ {
    text.split_ascii_whitespace().map(|name| match name.strip_prefix("Q{").and_then(|rest| rest.split_once('}')) {
        Some((uri, local)) => QName::new("", uri, local),
        None => QName::local(name.rsplit(':').next().unwrap_or(name)),
    })
}
