package io.mla4j.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.net.JarURLConnection;
import java.net.URI;
import java.net.URL;
import java.net.URLConnection;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * JSON files beside this class that say what models are like, found by their names. A file may
 * extend another one of its folder: objects are laid over the other's, null takes a key away.
 *
 * @param name of the folder
 * @param what one file describes, for messages
 * @param known one of its files, by which the folder is found where all are listed
 */
record DataFolder(String name, String what, String known) {
  /** What was listed, by folder: a folder of a jar does not change, and listing it takes long. */
  private static final Map<String, Set<String>> LISTED = new ConcurrentHashMap<>();

  private static final String ENDING = ".json";
  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9_.-]{1,100}");

  /** The file called {@code file}, laid over the one that it extends, where there is one. */
  Optional<ObjectNode> find(String file) {
    if (!NAME.matcher(file).matches()) {
      return Optional.empty();
    }
    ObjectNode json;
    try (InputStream in = DataFolder.class.getResourceAsStream(name + "/" + file + ENDING)) {
      if (in == null) {
        return Optional.empty();
      }
      json = Json.readObject(what + " " + file, in);
    } catch (IOException e) {
      throw error(file, "cannot be read: " + Quote.line(e.toString()));
    }
    JsonNode base = json.remove("extends");
    if (base == null) {
      return Optional.of(json);
    }
    ObjectNode merged =
        find(base.asText())
            .orElseThrow(
                () -> error(file, "extends " + Quote.name(base.asText()) + ", which is not there"));
    lay(json, merged);
    return Optional.of(merged);
  }

  private static void lay(ObjectNode upper, ObjectNode lower) {
    for (Map.Entry<String, JsonNode> entry : upper.properties()) {
      JsonNode below = lower.get(entry.getKey());
      if (entry.getValue().isNull()) {
        lower.remove(entry.getKey());
      } else if (entry.getValue() instanceof ObjectNode object && below instanceof ObjectNode old) {
        lay(object, old);
      } else {
        lower.set(entry.getKey(), entry.getValue());
      }
    }
  }

  /** The names of the files, in whatever this class was loaded from. */
  Set<String> files() {
    return LISTED.computeIfAbsent(name, _ -> list());
  }

  private Set<String> list() {
    URL file = DataFolder.class.getResource(name + "/" + known + ENDING);
    try {
      URLConnection connection = file.openConnection();
      if (connection instanceof JarURLConnection jar) {
        String folder = jar.getEntryName().substring(0, jar.getEntryName().lastIndexOf('/') + 1);
        return names(
            jar.getJarFile().stream()
                .map(entry -> entry.getName())
                .filter(entry -> entry.startsWith(folder))
                .map(entry -> entry.substring(folder.length())));
      }
      try (Stream<Path> files = Files.list(Path.of(URI.create(file.toString())).getParent())) {
        return names(files.map(entry -> entry.getFileName().toString()));
      }
    } catch (IOException e) {
      throw new CheckpointException(
          "the files of " + name + " cannot be listed: " + Quote.line(e.toString()), e);
    }
  }

  private static Set<String> names(Stream<String> files) {
    return files
        .filter(file -> file.endsWith(ENDING))
        .map(file -> file.substring(0, file.length() - ENDING.length()))
        .collect(Collectors.toCollection(TreeSet::new));
  }

  /** An exception that names the file. */
  CheckpointException error(String file, String problem) {
    return new CheckpointException(what + " " + file + ": " + problem);
  }
}
