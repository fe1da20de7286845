#!/usr/bin/env bash
# org.apache.spark:spark-mllib_2.13:4.2.0 (Maven 3.8, JDK 25): with it as the only dependency, Maven chooses scala-library 2.13.13, the version
# that one of its dependencies asks for nearer to the root, although Spark is compiled with 2.13.18. SparkSession.builder() then fails with
# NoSuchMethodError: scala.util.hashing.MurmurHash3$.caseClassHash. An own dependency on scala-library 2.13.18 mends it.
#
# One would expect the artifact to declare the version that it needs next to itself, as its distribution has it.
#
# Output seen: the lines at the end. Fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >pom.xml <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>x</groupId>
  <artifactId>x</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.spark</groupId>
      <artifactId>spark-mllib_2.13</artifactId>
      <version>4.2.0</version>
    </dependency>
  </dependencies>
</project>
XML
cat >Start.java <<'JAVA'
class Start {
  public static void main(String[] args) {
    try {
      org.apache.spark.sql.SparkSession.builder();
      System.out.println("works");
    } catch (Throwable e) {
      System.out.println(e.getClass().getName() + " " + e.getMessage().replaceAll(".*(MurmurHash3[$][.]\\w+).*", "$1"));
    }
  }
}
JAVA
mvn -B -q org.apache.maven.plugins:maven-dependency-plugin:3.9.0:build-classpath -Dmdep.outputFile=path >&2
java=${JAVA_HOME:+$JAVA_HOME/bin/}
{
  tr : '\n' <path | grep -o 'scala-library-.*'
  "${java}java" -cp "$(cat path)" Start.java 2>/dev/null
} | tee seen
diff seen - <<'SEEN'
scala-library-2.13.13.jar
java.lang.NoSuchMethodError MurmurHash3$.caseClassHash
SEEN
