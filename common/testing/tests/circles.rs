//! No module needs one beside it that needs the first, not even through others: in every crate, and
//! in every module that has some.
//!
//! A module is taken with all that is below it, and without its tests. What a module uses of the
//! one that it is in counts for nothing.

// What tests are made of is no test to Clippy.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, Item, ItemMod, ItemUse, Macro, Token, UseTree};

/// Names from the root of a crate, or of a path as it is written.
type Names = Vec<String>;

/// What a module says.
#[derive(Default)]
struct Module {
    /// What each name stands for that a `use` brings in.
    imports: BTreeMap<String, Names>,
    /// Every path that its code has.
    paths: BTreeSet<Names>,
}

/// The modules of a crate.
#[derive(Default)]
struct Modules(BTreeMap<Names, Module>);

impl Modules {
    fn of_crate(source: &Path) -> Self {
        let mut modules = Self::default();
        modules.read(Names::new(), &source.join("lib.rs"), source.to_owned());
        modules
    }

    /// Reads the module `at` from `file`; the modules below it lie in `folder`.
    fn read(&mut self, at: Names, file: &Path, folder: PathBuf) {
        let text = std::fs::read_to_string(file).expect("a text");
        let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{file:?}: {error}"));
        self.0.insert(at.clone(), Module::default());
        Reader {
            modules: self,
            at,
            folder,
        }
        .visit_file(&file);
    }

    /// The module that `path` leads to from the module `at`, through re-exports too; `None` if it
    /// leads out of the crate.
    fn resolve(&self, at: &Names, path: &[String], depth: usize) -> Option<Names> {
        // Two names may stand for each other.
        const DEEPEST: usize = 8;
        let (first, mut rest) = path.split_first().filter(|_| depth < DEEPEST)?;
        let child =
            |of: &Names, name: &String| [of.as_slice(), std::slice::from_ref(name)].concat();
        let import = |of: &Names, name: &String| self.0.get(of)?.imports.get(name);
        let mut module = match first.as_str() {
            "crate" => Names::new(),
            "self" => at.clone(),
            "super" => at[..at.len().checked_sub(1)?].to_vec(),
            _ if self.0.contains_key(&child(at, first)) => child(at, first),
            _ => {
                let path = [import(at, first)?.as_slice(), rest].concat();
                return self.resolve(at, &path, depth + 1);
            }
        };
        while let Some((name, after)) = rest.split_first() {
            if name == "super" {
                module.pop()?;
            } else if self.0.contains_key(&child(&module, name)) {
                module.push(name.clone());
            } else {
                let path = import(&module, name).map(|path| [path.as_slice(), after].concat());
                let elsewhere = path.and_then(|path| self.resolve(&module, &path, depth + 1));
                return Some(elsewhere.unwrap_or(module));
            }
            rest = after;
        }
        Some(module)
    }

    /// Each pair of modules of which the first uses the second, with a path that does.
    fn uses(&self) -> BTreeMap<(Names, Names), &Names> {
        let mut uses = BTreeMap::new();
        for (at, module) in &self.0 {
            for path in module.imports.values().chain(&module.paths) {
                if let Some(used) = self.resolve(at, path, 0) {
                    uses.entry((at.clone(), used)).or_insert(path);
                }
            }
        }
        uses
    }

    /// The first circle, as a text with a path for each step; `None` if there is none.
    fn circle(&self) -> Option<String> {
        // From a module to those beside it that it uses, each by the first path that does.
        let mut beside: BTreeMap<Names, BTreeMap<Names, &Names>> = BTreeMap::new();
        for ((user, used), path) in self.uses() {
            let same = user.iter().zip(&used).take_while(|(a, b)| a == b).count();
            if same < user.len() && same < used.len() {
                let of_user = beside.entry(user[..=same].to_vec()).or_default();
                of_user.entry(used[..=same].to_vec()).or_insert(path);
            }
        }
        let mut done = BTreeSet::new();
        beside
            .keys()
            .find_map(|module| circle(module, &beside, &mut Vec::new(), &mut done))
    }
}

/// The circle that a walk from `module` comes to first. `walk` led here, and from modules that are
/// `done` no walk leads to one.
fn circle(
    module: &Names,
    beside: &BTreeMap<Names, BTreeMap<Names, &Names>>,
    walk: &mut Vec<Names>,
    done: &mut BTreeSet<Names>,
) -> Option<String> {
    if let Some(start) = walk.iter().position(|of| of == module) {
        let next = walk[start + 1..].iter().chain([module]);
        let steps = walk[start..].iter().zip(next).map(|(from, to)| {
            let path = beside[from][to].join("::");
            format!("{} uses {} ({path})", from.join("::"), to.join("::"))
        });
        return Some(steps.collect::<Vec<_>>().join(", "));
    }
    if done.contains(module) {
        return None;
    }
    walk.push(module.clone());
    let used = beside.get(module).into_iter().flat_map(|of| of.keys());
    let mut found = used.map(|used| circle(used, beside, walk, done));
    let found = found.find_map(|found| found);
    walk.pop();
    done.insert(module.clone());
    found
}

/// Reads the code of one module.
struct Reader<'a> {
    modules: &'a mut Modules,
    at: Names,
    folder: PathBuf,
}

impl Reader<'_> {
    fn module(&mut self) -> &mut Module {
        self.modules.0.entry(self.at.clone()).or_default()
    }

    fn import(&mut self, tree: &UseTree, before: &Names) {
        let path = |name: &syn::Ident| [before.as_slice(), &[name.to_string()]].concat();
        let (name, path) = match tree {
            UseTree::Path(of) => return self.import(&of.tree, &path(&of.ident)),
            UseTree::Group(of) => return of.items.iter().for_each(|of| self.import(of, before)),
            UseTree::Name(of) if of.ident == "self" => (before.last().cloned(), before.clone()),
            UseTree::Name(of) => (Some(of.ident.to_string()), path(&of.ident)),
            UseTree::Rename(of) if of.ident == "self" => {
                (Some(of.rename.to_string()), before.clone())
            }
            UseTree::Rename(of) => (Some(of.rename.to_string()), path(&of.ident)),
            _ => (None, before.clone()),
        };
        match name {
            Some(name) => _ = self.module().imports.insert(name, path),
            None => _ = self.module().paths.insert(path),
        }
    }
}

impl Visit<'_> for Reader<'_> {
    fn visit_item(&mut self, item: &Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &ItemMod) {
        let name = module.ident.to_string();
        let at = [self.at.as_slice(), std::slice::from_ref(&name)].concat();
        let folder = self.folder.join(&name);
        let Some((_, items)) = &module.content else {
            let file = self.folder.join(format!("{name}.rs"));
            return self.modules.read(at, &file, folder);
        };
        self.modules.0.insert(at.clone(), Module::default());
        let mut inner = Reader {
            modules: self.modules,
            at,
            folder,
        };
        items.iter().for_each(|item| inner.visit_item(item));
    }

    fn visit_item_use(&mut self, item: &ItemUse) {
        self.import(&item.tree, &Names::new());
    }

    fn visit_path(&mut self, path: &syn::Path) {
        let names = path.segments.iter().map(|of| of.ident.to_string());
        let names: Names = names.collect();
        self.module().paths.insert(names);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, of: &Macro) {
        // Most macros take expressions; what others take is not looked at.
        let arguments = Punctuated::<Expr, Token![,]>::parse_terminated;
        if let Ok(arguments) = of.parse_body_with(arguments) {
            arguments.iter().for_each(|of| self.visit_expr(of));
        }
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(of) => &of.attrs,
        Item::Enum(of) => &of.attrs,
        Item::Fn(of) => &of.attrs,
        Item::Impl(of) => &of.attrs,
        Item::Macro(of) => &of.attrs,
        Item::Mod(of) => &of.attrs,
        Item::Static(of) => &of.attrs,
        Item::Struct(of) => &of.attrs,
        Item::Trait(of) => &of.attrs,
        Item::Type(of) => &of.attrs,
        Item::Use(of) => &of.attrs,
        _ => &[],
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let is = |name: &str| {
            attribute
                .parse_args()
                .is_ok_and(|of: syn::Ident| of == name)
        };
        attribute.path().is_ident("cfg") && is("test")
    })
}

#[test]
fn no_module_needs_one_that_needs_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folders = ["common", "steps", "workflows"].map(|of| root.join(of));
    let crates = folders
        .iter()
        .flat_map(|of| of.read_dir().expect("a folder"));
    let sources = crates.map(|of| of.expect("an entry").path().join("src"));
    let sources: Vec<PathBuf> = sources.filter(|of| of.join("lib.rs").exists()).collect();
    assert!(sources.len() > 20, "{sources:?}");
    let circles = sources.iter().filter_map(|source| {
        let circle = Modules::of_crate(source).circle()?;
        Some(format!("{}: {circle}", source.display()))
    });
    let circles: Vec<String> = circles.collect();
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

#[test]
fn a_circle_through_others_and_a_re_export_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).expect("a folder");
        std::fs::write(file, text).expect("a file");
    };
    write(
        "lib.rs",
        "mod a; mod b; mod c; use b::B; #[cfg(test)] mod d;",
    );
    write("a.rs", "mod below; use std::fmt;");
    write("a/below.rs", "fn f(_: crate::B) {}");
    write("b.rs", "use crate::c::{self as other}; pub struct B;");
    write("c.rs", "fn f() { format!(\"{}\", super::a::NAME); }");
    write("d.rs", "use crate::a::A;");
    let circle = Modules::of_crate(folder.path()).circle();
    assert_eq!(
        circle.as_deref(),
        Some("a uses b (crate::B), b uses c (crate::c), c uses a (super::a::NAME)")
    );
    write("c.rs", "#[cfg(test)] use super::a::A;");
    assert_eq!(Modules::of_crate(folder.path()).circle(), None);
}
