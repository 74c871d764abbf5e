{{- /*
The routing template: text that the controller renders again whenever the weights change. Templates of the controller have the same
delimiters as those of Helm, so in this chart their actions are written as <% … %>.
*/ -}}
{{- define "traffic.template" -}}
{{- $text := "" -}}
{{- if eq .api "istio" -}}
{{- $text = include "traffic.virtualService" . -}}
{{- else -}}
{{- $text = include "traffic.httpRoute" . -}}
{{- end -}}
{{- $text | replace "<%" "{{" | replace "%>" "}}" -}}
{{- end -}}

{{- /* The route as the controller renders it while only version 0 is available, so that both apply the same object. */ -}}
{{- define "traffic.initial" -}}
{{- $weights := list 1 -}}
{{- range rest .route.versions -}}
{{- $weights = append $weights 0 -}}
{{- end -}}
{{- $template := include "traffic.template" (merge (dict "showsNamespace" true) .route) -}}
{{- tpl $template (dict "Weights" $weights "Template" .root.Template) | trim -}}
{{- end -}}

{{- /*
Start of a routing template. `$first` is the first available version, or 0 if there is none; `$several` is true if more versions are
available. The templates use only functions of Go, so that Iter8's own controller can render them.
*/ -}}
{{- define "traffic.available" -}}
<%- /* $first: the first available version. $several: more versions are available. */ -%>
<%- $first := -1 %><% $several := false %>
<%- range $i, $weight := .Weights %>
<%- if gt $weight 0 %>
<%- if lt $first 0 %><% $first = $i %><% else %><% $several = true %><% end %>
<%- end %>
<%- end %>
<%- if lt $first 0 %><% $first = 0 %><% end -%>
{{- end -}}

{{- /* Sends everything to the first available version. `name` is the template of a destination, which gets the version. */ -}}
{{- define "traffic.toFirst" -}}
{{- $name := .name -}}
{{- $candidates := rest .versions -}}
{{- range $i, $version := $candidates }}
<%- {{ gt $i 0 | ternary "else if" "if" }} eq $first {{ add1 $i }} %>
{{ include $name (dict "version" $version) }}
{{- end }}
{{- if $candidates }}
<%- else %>
{{- end }}
{{ include $name (dict "version" (first .versions)) }}
{{- if $candidates }}
<%- end %>
{{- end }}
{{- end -}}

{{- /* Escapes text of the user that becomes part of a routing template. */ -}}
{{- define "traffic.literal" -}}
{{- . | replace "%" "<% \"%\" %>" | replace "{" "<% \"{\" %>" -}}
{{- end -}}

{{- /* Percentage of the requests that are copied to a version. */ -}}
{{- define "traffic.percentage" -}}
<% if gt (index .Weights {{ . }}) 100 %>100<% else %><% index .Weights {{ . }} %><% end %>
{{- end -}}
