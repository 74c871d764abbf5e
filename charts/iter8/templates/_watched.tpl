{{- /* Objects that the listed tasks wait for or change, as JSON: namespace → `group/resource/verbs` → names. files/watched.yaml lists the
       values that name them. */ -}}
{{- define "iter8.watched" -}}
{{- $root := . -}}
{{- $watched := dict -}}
{{- $tasks := include "iter8.tasks" . | fromJsonArray -}}
{{- range $row := .Files.Get "files/watched.yaml" | fromYamlArray -}}
{{- if has $row.task $tasks -}}
{{- $values := index $root.Values $row.task | default dict -}}
{{- if $row.within -}}
{{- $values = index $values $row.within | default dict -}}
{{- end -}}
{{- $objects := list -}}
{{- range $kind := $row.kinds -}}
{{- $names := index $values $kind.value -}}
{{- if kindIs "string" $names -}}
{{- $names = list $names -}}
{{- end -}}
{{- range $name := $names -}}
{{- $access := printf "%s/%s/%s" $kind.group $kind.resource (join "," $kind.verbs) -}}
{{- $objects = append $objects (list $access (printf "%s%s" ($kind.prefix | default "") $name)) -}}
{{- end -}}
{{- end -}}
{{- range $object := index $values ($row.list | default "") -}}
{{- $objects = append $objects (list (printf "%s/%s/%s" ($object.group | default "") $object.resource (join "," $row.listVerbs)) $object.name) -}}
{{- end -}}
{{- if and (not $objects) (not $row.within) -}}
{{- $known := list -}}
{{- range $row.kinds -}}
{{- $known = append $known .value -}}
{{- end -}}
{{- fail (printf "%s: no object is given; expected one of %s" $row.task (append $known $row.list | compact | uniq | join ", ")) -}}
{{- end -}}
{{- if $objects -}}
{{- $namespace := index $values $row.namespace | default $root.Release.Namespace -}}
{{- $kinds := index $watched $namespace | default dict -}}
{{- range $objects -}}
{{- $kind := first . -}}
{{- $_ := set $kinds $kind (append (index $kinds $kind | default list) (last .) | uniq | sortAlpha) -}}
{{- end -}}
{{- $_ := set $watched $namespace $kinds -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{ toJson $watched }}
{{- end -}}
